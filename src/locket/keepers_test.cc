// The client side against a real server: locks held, lost and taken over; presences that come back.
#include <filesystem>

#include "clients/locket/cell_presences.h"
#include "clients/locket/lock_keeper.h"
#include "clients/locket/presence_keeper.h"
#include "locket/testing/locket_harness.h"
#include "sql/database.h"

namespace rivera::locket {
namespace {

using clients::LocketError;
using clients::LocketResource;
using clients::LocketType;
using clients::LockKeeper;
using clients::PresenceKeeper;
using std::chrono::seconds;

class Keepers : public LocketHarness {
 protected:
  ~Keepers() override { run(destroy_keepers()); }

  LockKeeper& keep_lock(const std::string& owner, seconds ttl = seconds(15)) {
    locks_.push_back(std::make_unique<LockKeeper>(
        io_.get_executor(), client(),
        clients::LockKeeperOptions{.key = "bbs", .owner = owner, .ttl = ttl, .retry_interval = interval_},
        base::Logger::discard()));
    return *locks_.back();
  }

  PresenceKeeper& keep_presence(const std::string& key, const std::string& value, seconds ttl = seconds(15)) {
    presences_.push_back(std::make_unique<PresenceKeeper>(
        io_.get_executor(), client(),
        clients::PresenceKeeperOptions{
            .key = key, .owner = "rep-1", .value = value, .ttl = ttl, .retry_interval = interval_},
        base::Logger::discard()));
    run(begin(*presences_.back()));
    return *presences_.back();
  }

  std::string owner_of(const std::string& key) {
    const auto found = run(client().fetch(key));
    return found ? found->owner : "";
  }

  void wait_for_owner(const std::string& key, const std::string& owner) {
    wait_until([this, key, owner]() -> asio::awaitable<bool> {
      const auto found = co_await client().fetch(key);
      co_return found && found->owner == owner;
    });
  }

  void execute(const std::string& sql) { sql::Database::open(config_.database)->connect().execute(sql); }

  std::chrono::milliseconds interval_{100};
  std::vector<std::unique_ptr<LockKeeper>> locks_;
  std::vector<std::unique_ptr<PresenceKeeper>> presences_;

 private:
  static asio::awaitable<void> begin(PresenceKeeper& keeper) {
    keeper.start();
    co_return;
  }
  asio::awaitable<void> destroy_keepers() {
    locks_.clear();
    presences_.clear();
    co_return;
  }
};

TEST_F(Keepers, ALockIsHeldByOneAndPassesToTheNextWhenReleased) {
  auto& active = keep_lock("active");
  run(active.acquire());
  EXPECT_TRUE(active.is_held());
  EXPECT_GT(active.valid_until(), base::BootClock::now() + seconds(5));

  auto& standby = keep_lock("standby");
  auto taken = asio::co_spawn(io_, standby.acquire(), asio::use_future);
  EXPECT_FALSE(standby.is_held());
  EXPECT_EQ(owner_of("bbs"), "active");
  run(active.release());
  EXPECT_FALSE(active.is_held());
  ASSERT_EQ(taken.wait_for(kTestLimit), std::future_status::ready);
  EXPECT_TRUE(standby.is_held());
  EXPECT_EQ(owner_of("bbs"), "standby");
}

TEST_F(Keepers, ALockOutlivesItsTimeToLiveBecauseItIsRefreshed) {
  auto& keeper = keep_lock("active", seconds(1));
  run(keeper.acquire());
  const auto first = keeper.valid_until();
  wait_until([&]() -> asio::awaitable<bool> { co_return keeper.valid_until() > first + seconds(2); });
  EXPECT_TRUE(keeper.is_held());
  EXPECT_EQ(owner_of("bbs"), "active");
}

TEST_F(Keepers, ALockIsTakenOverWhenItsHolderHasDied) {
  LocketResource dead{.key = "bbs", .owner = "dead"};
  run(client().lock(dead, seconds(1)));
  auto& standby = keep_lock("standby");
  run(standby.acquire());
  EXPECT_EQ(owner_of("bbs"), "standby");
}

TEST_F(Keepers, ALockTakenByAnotherIsLostAtOnce) {
  auto& keeper = keep_lock("active");
  run(keeper.acquire());
  execute("UPDATE locks SET owner = 'thief'");
  run(keeper.lost());
  EXPECT_FALSE(keeper.is_held());
  run(keeper.release());
  EXPECT_EQ(owner_of("bbs"), "thief");
}

TEST_F(Keepers, ALockIsLostBeforeItExpiresWhenLocketStaysUnreachable) {
  auto& keeper = keep_lock("active", seconds(2));
  run(keeper.acquire());
  stop();
  run(keeper.lost());
  EXPECT_FALSE(keeper.is_held());
}

TEST_F(Keepers, ALockSurvivesARestartOfLocket) {
  auto& keeper = keep_lock("active", seconds(10));
  run(keeper.acquire());
  stop();
  const auto before = keeper.valid_until();
  start();
  wait_until([&]() -> asio::awaitable<bool> { co_return keeper.valid_until() > before; });
  EXPECT_TRUE(keeper.is_held());
  EXPECT_EQ(owner_of("bbs"), "active");
}

TEST_F(Keepers, ALockIsWaitedForWhileLocketIsNotThereYet) {
  stop();
  auto& keeper = keep_lock("active");
  auto taken = asio::co_spawn(io_, keeper.acquire(), asio::use_future);
  start();
  ASSERT_EQ(taken.wait_for(kTestLimit), std::future_status::ready);
  EXPECT_TRUE(keeper.is_held());
}

TEST_F(Keepers, APresenceIsEstablishedUpdatedAndGivenUp) {
  auto& presence = keep_presence("cell-1", "one");
  run(presence.established());
  EXPECT_TRUE(presence.is_established());
  EXPECT_EQ(run(client().fetch_all(LocketType::kPresence)).size(), 1u);
  EXPECT_TRUE(run(client().fetch_all(LocketType::kLock)).empty());
  wait_until([&]() -> asio::awaitable<bool> {
    presence.set_value("two");
    const auto found = co_await client().fetch("cell-1");
    co_return found && found->value == "two";
  });
  run(presence.release());
  EXPECT_EQ(owner_of("cell-1"), "");
}

TEST_F(Keepers, APresenceIsRegisteredAgainAfterLocketLostItsData) {
  auto& presence = keep_presence("cell-1", "one");
  run(presence.established());
  stop();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(config_.database.connection_string + suffix);
  }
  start();
  wait_for_owner("cell-1", "rep-1");
}

TEST_F(Keepers, APresenceWithAShortTimeToLiveIsRefreshedInTime) {
  interval_ = std::chrono::hours(1);
  run(keep_presence("cell-1", "one", seconds(1)).established());
  // An entry that expires and is taken again begins at 1.
  auto connection = sql::Database::open(config_.database)->connect();
  wait_until([&]() -> asio::awaitable<bool> {
    std::int64_t refreshes = 0;
    connection.query_one("SELECT modified_index FROM locks WHERE path = ?", {"cell-1"},
                         [&](const sql::Row& row) { refreshes = row.integer(0); });
    co_return refreshes >= 5;
  });
}

TEST_F(Keepers, APresenceWaitsForThatOfItsPredecessorToExpire) {
  LocketResource old{.key = "cell-1", .owner = "rep-0", .type = LocketType::kPresence};
  run(client().lock(old, seconds(1)));
  auto& presence = keep_presence("cell-1", "one");
  EXPECT_FALSE(presence.is_established());
  run(presence.established());
  EXPECT_EQ(owner_of("cell-1"), "rep-1");
}

TEST_F(Keepers, APresenceIsTakenAgainAfterACollision) {
  auto& presence = keep_presence("cell-1", "one");
  run(presence.established());
  execute("UPDATE locks SET owner = 'thief', ttl = 1, modified_index = modified_index + 1");
  wait_until([&]() -> asio::awaitable<bool> { co_return !presence.is_established(); });
  wait_for_owner("cell-1", "rep-1");
}

TEST_F(Keepers, CellsAreThePresencesThatCanBeRead) {
  run(keep_presence("cell-1", R"({"cell_id":"cell-1","rep_address":"http://1.2.3.4:1800","zone":"z1",
      "capacity":{"memory_mb":1024,"disk_mb":2048,"containers":10},"rep_url":"https://cell-1.cell:1801"})")
          .established());
  run(keep_presence("cell-2", "not a cell").established());
  const auto cells = run(clients::fetch_cells(client(), base::Logger::discard()));
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells.front().cell_id(), "cell-1");
  EXPECT_EQ(cells.front().capacity().memory_mb(), 1024);
  EXPECT_TRUE(run(clients::fetch_cell(client(), "cell-1")));
  EXPECT_FALSE(run(clients::fetch_cell(client(), "cell-3")));
}

TEST_F(Keepers, ACallEndsAtItsDeadlineWithoutAResponse) {
  stop();
  try {
    run(client().lock({.key = "k", .owner = "o"}, seconds(5), std::chrono::milliseconds(200)));
    FAIL() << "the call succeeded";
  } catch (const LocketError& e) {
    EXPECT_TRUE(e.is_transport());
  }
}

TEST_F(Keepers, ACancelledCallEndsAtOnce) {
  stop();
  auto call = base::within(std::chrono::milliseconds(50), "locking",
                           client().lock({.key = "k", .owner = "o"}, seconds(5), seconds(600)));
  EXPECT_THROW(run(std::move(call)), base::DeadlineExceeded);
}

}  // namespace
}  // namespace rivera::locket
