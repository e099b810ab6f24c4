// For how long a request about 100,000 instances, or a look for foreign writes among them, keeps the BBS's event loop,
// on which the lock is kept and all others are served, at a time: processor time of the loop's thread, with a local
// PostgreSQL.
#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include "bbs/events/event_hub.h"
#include "bbs/ledger/ledger.h"
#include "bbs/program/turn_watch_testing.h"
#include "models/testing/testing.h"
#include "report.h"
#include "sql/testing/test_servers.h"

namespace {

using namespace rivera;
using bench::Better;

constexpr int kInstances = 100'000;
constexpr double kLongestTurn = 50;  // milliseconds

class Run {
 public:
  Run() : cipher_({{"k1", "a secure passphrase"}}, "k1"), database_(sql::Database::open(server_.config())) {
    store_ = std::make_unique<bbs::Store>(*database_, cipher_);
    store_->open();
    store_->become_active();
    at_home(begin());
  }
  ~Run() {
    at_home(end());
    work_.reset();
    thread_.join();
  }

  void all() {
    const auto lrp = [](int instances) {
      return models::testing::a_desired_lrp("p").with_instances(instances).build();
    };
    const auto scale = [](int instances) {
      models::UpdateDesiredLRPRequest request;
      request.set_process_guid("p");
      request.mutable_update()->set_instances(instances);
      return request;
    };
    measure("desire",
            [=](bbs::Board& board, base::Timestamp now) { return board.desire_lrp(lrp(kInstances), now, ""); });
    measure("scale to a half", [=](bbs::Board& board, base::Timestamp now) {
      return board.update_desired_lrp(scale(kInstances / 2), now, "");
    });
    measure("scale to all", [=](bbs::Board& board, base::Timestamp now) {
      return board.update_desired_lrp(scale(kInstances), now, "");
    });
    look_for_foreign_writes();
    measure("delete", [](bbs::Board& board, base::Timestamp) { return board.remove_desired_lrp("p", ""); });
  }

 private:
  template <typename T>
  T at_home(asio::awaitable<T> work) {
    return asio::co_spawn(io_, std::move(work), asio::use_future).get();
  }

  asio::awaitable<void> begin() {
    ledger_ = std::make_unique<bbs::Ledger>(io_.get_executor(), workers_, *store_, clock_, bbs::Ledger::Options(),
                                            base::Logger::discard());
    ledger_->on_commit([this](const bbs::Outcome& outcome) { hub_.publish(outcome.events); });
    co_await ledger_->load();
    watch_ = std::make_unique<bbs::TurnWatch>(io_.get_executor());
  }
  asio::awaitable<void> end() {
    co_await watch_->stop();
    watch_.reset();
    co_await ledger_->stop();
    ledger_.reset();
  }
  asio::awaitable<std::chrono::nanoseconds> take() { co_return watch_->take(); }

  void measure(std::string_view what, bbs::Ledger::Operation operation) {
    at_home(take());
    const auto started = std::chrono::steady_clock::now();
    const bbs::Outcome outcome = at_home(ledger_->run(std::move(operation)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    if (outcome.error) throw std::runtime_error(outcome.error->message());
    const std::chrono::duration<double, std::milli> longest = at_home(take());
    const std::string which = fmt::format("{} {} instances", what, kInstances);
    bench::report("bbs_turns", which, "longest turn of the event loop", longest.count(), "ms", kLongestTurn,
                  Better::kLower);
    bench::report("bbs_turns", which, "whole request", took.count(), "s");
  }

  // As convergence does it, until all rows have been looked at.
  void look_for_foreign_writes() {
    at_home(take());
    at_home(ledger_->reconcile_next());
    at_home(ledger_->reconcile_rest());
    const double cpu = processor_seconds();
    constexpr int kCalls = 8;
    for (int call = 0; call < kCalls; ++call) at_home(ledger_->reconcile_rest());
    const double spent = processor_seconds() - cpu;
    at_home(ledger_->reconcile_rest());  // the last one
    const std::chrono::duration<double, std::milli> longest = at_home(take());
    const std::string which = fmt::format("look for foreign writes among {} instances", kInstances);
    bench::report("bbs_turns", which, "longest turn of the event loop", longest.count(), "ms", kLongestTurn,
                  Better::kLower);
    bench::report("bbs_turns", which, "CPU a call", spent / kCalls * 1e3, "ms");
  }

  static double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

  const sql::TestServer server_{sql::Engine::kPostgres};
  const bbs::ColumnCipher cipher_;
  base::SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<bbs::Store> store_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::WorkerPool workers_{2};
  std::thread thread_{[this] { io_.run(); }};
  bbs::EventHub hub_{io_.get_executor()};
  std::unique_ptr<bbs::Ledger> ledger_;
  std::unique_ptr<bbs::TurnWatch> watch_;
};

}  // namespace

int main() {
  try {
    Run().all();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bbs_turns: %s\n", e.what());
    return 1;
  }
}
