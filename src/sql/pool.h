// The connections of one database, and what they have done. For the .cc files of this folder.
#pragma once

#include <condition_variable>
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

  // Runs one statement with its statistics.
  template <typename Work>
  auto measured(Work work) {
    const auto start = begin_query();
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
        work();
        end_query(start, true);
      } else {
        auto result = work();
        end_query(start, true);
        return result;
      }
    } catch (...) {
      end_query(start, false);
      throw;
    }
  }

  DatabaseStatistics take_statistics();

  const DatabaseConfig config;
  const Dialect dialect;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  Instant begin_query();
  void end_query(Instant start, bool succeeded);
  bool is_too_old(const Session& session) const;
  std::unique_ptr<Session> take_idle();

  std::unique_ptr<Driver> driver_;
  const std::size_t limit_;
  std::mutex mutex_;  // this folder's calls block by contract, and come from several workers
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::size_t open_ = 0;  // idle and lent
  DatabaseStatistics statistics_;
  std::int64_t in_flight_ = 0;
};

}  // namespace rivera::sql
