// The connections of one database, and what they have done. For the .cc files of this folder.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/session.h"

namespace rivera::sql {

// Lends sessions, at most `limit` at a time; idle ones are kept. May be used from any thread.
struct Pool {
  Pool(const DatabaseConfig& given, std::unique_ptr<Driver> made_driver);

  // Waits for a session; throws sql::Error(kTimeout).
  std::unique_ptr<Session> take();
  void give_back(std::unique_ptr<Session> session);

  // Runs one statement of a session with its statistics.
  template <typename Work>
  auto measured(Session& session, Work work) {
    begin_query(session);
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
        work();
        end_query(session, true);
      } else {
        auto result = work();
        end_query(session, true);
        return result;
      }
    } catch (...) {
      end_query(session, false);
      throw;
    }
  }

  // Cuts the connections on which a statement has had no answer for `silence`.
  void cut_silent(std::chrono::nanoseconds silence);

  DatabaseStatistics take_statistics();

  const DatabaseConfig config;
  const Dialect dialect;

 private:
  void begin_query(Session& session);
  void end_query(Session& session, bool succeeded);
  bool is_too_old(const Session& session) const;
  std::unique_ptr<Session> take_idle();

  std::unique_ptr<Driver> driver_;
  const std::size_t limit_;
  std::mutex mutex_;  // this folder's calls block by contract, and come from several workers
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::size_t open_ = 0;  // idle and lent
  DatabaseStatistics statistics_;
  std::map<Session*, Session::Instant> in_flight_;  // since when
};

}  // namespace rivera::sql
