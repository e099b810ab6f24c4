// The holder of a lock behind a network that is slow, silent or broken: it never assumes a lock that it has lost, and
// keeps its lock where that is possible.
#include "base/testing/test_relay.h"
#include "clients/locket/lock_keeper.h"
#include "locket/testing/locket_harness.h"
#include "sql/database.h"

namespace rivera::locket {
namespace {

using base::BootClock;
using clients::LockKeeper;
using std::chrono::seconds;

class SlowNetwork : public LocketHarness {
 protected:
  ~SlowNetwork() override { run(destroy()); }

  LockKeeper& keep(seconds ttl) {
    auto options = client_options();
    options.address = relay_.address();
    holder_client_ = std::make_unique<clients::LocketClient>(io_.get_executor(), options);
    keeper_ = std::make_unique<LockKeeper>(
        io_.get_executor(), *holder_client_,
        clients::LockKeeperOptions{
            .key = "bbs", .owner = "holder", .ttl = ttl, .retry_interval = std::chrono::milliseconds(100)},
        base::Logger::discard());
    run(keeper_->acquire());
    return *keeper_;
  }

  std::int64_t refreshes() {
    std::int64_t index = 0;
    database_->connect().query_one("SELECT modified_index FROM locks WHERE path = ?", {"bbs"},
                                   [&](const sql::Row& row) { index = row.integer(0); });
    return index;
  }

  // Returns once `holds()`, which is asked on the test's thread.
  template <typename Condition>
  static void wait_for(Condition holds) {
    const auto end = std::chrono::steady_clock::now() + kTestLimit;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  asio::awaitable<void> destroy() {
    keeper_.reset();
    holder_client_.reset();
    if (second_) {
      auto ending = second_->stop();
      co_await std::move(ending);
      second_.reset();
    }
  }

  base::TestRelay relay_{config_.listen_address};
  std::unique_ptr<sql::Database> database_ = sql::Database::open(config_.database);
  std::unique_ptr<clients::LocketClient> holder_client_;
  std::unique_ptr<LockKeeper> keeper_;
  std::unique_ptr<Locket> second_;
};

TEST_F(SlowNetwork, ALockCountsFromTheStartOfTheCallAndNotFromItsAnswer) {
  LockKeeper& keeper = keep(seconds(40));
  relay_.hold_answers();
  const auto refreshed_before = refreshes();
  wait_for([&] { return refreshes() > refreshed_before; });  // Locket has refreshed it; the response is delayed
  const auto known = BootClock::now();
  const auto before = keeper.valid_until();
  relay_.release();
  wait_for([&] { return keeper.valid_until() != before; });
  EXPECT_LE(keeper.valid_until(), known + seconds(36));
}

TEST_F(SlowNetwork, ALockIsLostBeforeAnotherCanHaveIt) {
  LockKeeper& keeper = keep(seconds(2));
  relay_.hold_requests();
  bool taken = false;
  while (!taken) {
    taken = true;
    try {
      run(client().lock({.key = "bbs", .owner = "rival"}, seconds(60)));
    } catch (const clients::LocketError& e) {
      ASSERT_TRUE(e.is_collision()) << e.what();
      taken = false;
    }
  }
  EXPECT_FALSE(keeper.is_held());
  run(keeper.lost());
  relay_.release();  // the delayed messages arrive now
  EXPECT_THROW(run(client().lock({.key = "bbs", .owner = "third"}, seconds(60))), clients::LocketError);
  EXPECT_EQ(run(client().fetch("bbs"))->owner, "rival");
  EXPECT_FALSE(keeper.is_held());
}

TEST_F(SlowNetwork, ALockSurvivesASilenceThatIsShorterThanIt) {
  LockKeeper& keeper = keep(seconds(10));
  relay_.hold_answers();
  relay_.hold_requests();
  wait_for([&] { return keeper.valid_until() - BootClock::now() < std::chrono::milliseconds(7500); });
  EXPECT_TRUE(keeper.is_held());
  const auto before = keeper.valid_until();
  relay_.release();
  wait_for([&] { return keeper.valid_until() > before; });
  EXPECT_TRUE(keeper.is_held());
}

TEST_F(SlowNetwork, ALockSurvivesABrokenConnection) {
  LockKeeper& keeper = keep(seconds(10));
  relay_.cut();
  const auto before = keeper.valid_until();
  wait_for([&] { return keeper.valid_until() > before; });
  EXPECT_TRUE(keeper.is_held());
}

// A machine that vanishes, or a process that is stopped, leaves its connections open and silent.
TEST_F(SlowNetwork, ALocketThatHangsIsLeftForAnother) {
  LockKeeper& keeper = keep(seconds(10));
  Config config = config_;
  config.listen_address = "127.0.0.1:0";
  second_ = std::make_unique<Locket>(io_.get_executor(), workers_, config, base::Logger::discard(), [](int) {});
  run(second_->start());
  relay_.redirect(second_->address());
  relay_.freeze();
  const auto before = keeper.valid_until();
  wait_for([&] { return keeper.valid_until() > before || !keeper.is_held(); });
  EXPECT_TRUE(keeper.is_held());
}

}  // namespace
}  // namespace rivera::locket
