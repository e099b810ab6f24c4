// The connections of one database, and what they have done. For the .cc files of this folder.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/session.h"

namespace rivera::sql {

// What the statements of a database have done. May be used from any thread; counting takes no lock.
class QueryStatistics {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  Instant begin();
  void end(Instant start, bool succeeded);
  // Adds them to `taken`, and resets the maxima.
  void take(DatabaseStatistics& taken);

 private:
  std::atomic<std::int64_t> begun_{0}, succeeded_{0}, failed_{0}, in_flight_{0}, in_flight_max_{0}, longest_nanos_{0};
};

// Lends sessions, at most `limit` at a time; idle ones are kept. May be used from any thread.
struct Pool {
  Pool(const DatabaseConfig& given, std::unique_ptr<Driver> made_driver);

  // Waits for a session; throws sql::Error(kTimeout).
  std::unique_ptr<Session> take();
  void give_back(std::unique_ptr<Session> session);

  // Runs one statement of a session with its statistics.
  template <typename Work>
  auto measured(Session& session, Work work) {
    const InFlight in_flight(*this, session);
    const auto start = queries_.begin();
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
        work();
        queries_.end(start, true);
      } else {
        auto result = work();
        queries_.end(start, true);
        return result;
      }
    } catch (...) {
      queries_.end(start, false);
      throw;
    }
  }

  // Cuts the connections on which a statement has had no answer for `silence`.
  void cut_silent(std::chrono::nanoseconds silence);

  DatabaseStatistics take_statistics();

  const DatabaseConfig config;
  const Dialect dialect;

 private:
  // From its begin to its end a session is among those that cut_silent() looks at.
  class InFlight {
   public:
    InFlight(Pool& pool, Session& session) : pool_(pool), session_(session) { pool_.begin_query(session_); }
    ~InFlight() { pool_.end_query(session_); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

   private:
    Pool& pool_;
    Session& session_;
  };

  void begin_query(Session& session);
  void end_query(Session& session);
  bool is_too_old(const Session& session) const;
  using Sessions = std::vector<std::unique_ptr<Session>>;
  std::unique_ptr<Session> take_idle(Sessions& dropped);
  void close_one();

  std::unique_ptr<Driver> driver_;
  const std::size_t limit_;
  std::mutex mutex_;  // this folder's calls block by contract, and come from several workers
  std::condition_variable freed_;
  Sessions idle_;
  std::size_t open_ = 0;    // idle and lent
  std::int64_t waits_ = 0;  // for a session
  std::chrono::nanoseconds waited_{0};
  QueryStatistics queries_;
  std::map<Session*, Session::Instant> in_flight_;  // since when
};

}  // namespace rivera::sql
