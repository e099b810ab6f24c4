#include "sql/pool.h"

#include <future>
#include <signal.h>

#include <gtest/gtest.h>

#include "sql/testing/testing.h"

namespace rivera::sql {
namespace {

using namespace std::chrono_literals;

// What the sessions of a test have in common.
struct Script {
  bool are_usable = true;
  std::promise<void> closing;    // the first one that is closed has begun to be
  std::promise<void> may_close;  // it waits for this
  std::shared_future<void> gate{may_close.get_future()};
  std::atomic<int> closed = 0;
};

// A session that closes only when the script allows it.
class SlowSession final : public Session {
 public:
  explicit SlowSession(Script& script) : script_(script) {}
  ~SlowSession() override {
    if (script_.closed++ == 0) script_.closing.set_value();
    script_.gate.wait();
  }
  std::int64_t execute(std::string_view, const Parameters&) override { return 0; }
  bool query(std::string_view, const Parameters&, const RowVisitor&, bool) override { return false; }
  std::vector<std::int64_t> execute_batch(const std::vector<Statement>&) override { return {}; }
  void execute_script(std::string_view) override {}
  void begin(TransactionMode) override {}
  void commit() override {}
  void rollback() override {}
  bool is_usable() const override { return script_.are_usable; }

 private:
  Script& script_;
};

class SlowDriver final : public Driver {
 public:
  explicit SlowDriver(Script& script) : script_(script) {}
  std::unique_ptr<Session> connect() override { return std::make_unique<SlowSession>(script_); }
  std::size_t connection_limit() const override { return 3; }

 private:
  Script& script_;
};

DatabaseConfig three_connections() {
  DatabaseConfig config;
  config.max_open_connections = 3;
  config.operation_timeout = 20s;
  return config;
}

// While one thread closes sessions, others get new ones.
TEST(Pool, ClosesBrokenSessionsWithoutHoldingOthersUp) {
  Script script;
  Pool pool(three_connections(), std::make_unique<SlowDriver>(script));
  auto first = pool.take(), second = pool.take(), third = pool.take();
  pool.give_back(std::move(first));
  pool.give_back(std::move(second));
  script.are_usable = false;  // all were cut by the same event
  auto closing = std::async(std::launch::async, [&] { pool.give_back(std::move(third)); });
  script.closing.get_future().wait();
  script.are_usable = true;
  auto taking = std::async(std::launch::async, [&] { return std::array{pool.take(), pool.take(), pool.take()}; });
  EXPECT_EQ(taking.wait_for(20s), std::future_status::ready) << "it waits for the closing";
  EXPECT_EQ(pool.take_statistics().open_connections, 3);
  script.may_close.set_value();
  closing.get();
  EXPECT_EQ(script.closed, 3);
  for (auto& session : taking.get()) pool.give_back(std::move(session));
}

TEST(Pool, ClosesSessionsThatAreTooOldWithoutHoldingOthersUp) {
  Script script;
  auto config = three_connections();
  config.max_connection_lifetime = 1ns;
  config.max_open_connections = 2;
  Pool pool(config, std::make_unique<SlowDriver>(script));
  auto closing = std::async(std::launch::async, [&] { pool.give_back(pool.take()); });
  script.closing.get_future().wait();
  auto taking = std::async(std::launch::async, [&] { return std::array{pool.take(), pool.take()}; });
  EXPECT_EQ(taking.wait_for(20s), std::future_status::ready) << "it waits for the closing";
  script.may_close.set_value();
  closing.get();
}

TEST(Pool, WakesEveryWaiterWhenSeveralSessionsAreDropped) {
  Script script;
  script.may_close.set_value();
  Pool pool(three_connections(), std::make_unique<SlowDriver>(script));
  std::vector<std::unique_ptr<Session>> lent;
  for (int i = 0; i < 3; ++i) lent.push_back(pool.take());
  std::vector<std::future<std::unique_ptr<Session>>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(std::async(std::launch::async, [&] { return pool.take(); }));
  script.are_usable = false;
  for (auto& session : lent) pool.give_back(std::move(session));
  for (auto& each : waiting) EXPECT_EQ(each.wait_for(10s), std::future_status::ready);
}

TEST(PoolDeathTest, TakesBackOnlyWhatItLent) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Script script;
  script.may_close.set_value();
  const auto give_back_another_session = [&] {
    Pool pool(three_connections(), std::make_unique<SlowDriver>(script));
    pool.give_back(std::make_unique<SlowSession>(script));
  };
  EXPECT_EXIT(give_back_another_session(), testing::KilledBySignal(SIGABRT), "no more is given back than was lent");
}

}  // namespace
}  // namespace rivera::sql
