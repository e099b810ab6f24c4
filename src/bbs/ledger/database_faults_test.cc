// The ledger with a database that fails (docs/spec/bbs.md §6.5, §9.5): real servers, killed, disconnected at their
// commit, hanging, deadlocked and out of disk. Nothing acknowledged or published is lost, every wait is bounded, and
// the ledger recovers without intervention.
#include <chrono>
#include <fstream>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "bbs/ledger/ledger_harness.h"
#include "sql/testing/database_relay.h"
#include "sql/testing/test_servers.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;
using sql::DatabaseRelay;
using sql::Engine;
using sql::TestServer;

constexpr Ledger::Limits kShortLimits = {.answer = 2s, .outage = 500ms, .requests = 1000};

class Faults {
 public:
  explicit Faults(TestServer& server)
      : server_(server), relay_(server), harness_(std::make_unique<LedgerHarness>(relay_.config(), kShortLimits)) {}

  void check() {
    a_commit_that_may_or_may_not_have_happened();
    a_deadlock_with_another_client();
    a_server_that_hangs();
    connections_cut_under_load();
    a_server_killed_under_load();
  }

 private:
  void expect_all_well(const std::string& guid) {
    EXPECT_TRUE(harness_->desire_eventually(guid, 60s)) << "it does not recover by itself";
    harness_->expect_nothing_lost(server_.config());
  }

  void a_commit_that_may_or_may_not_have_happened() {
    SCOPED_TRACE("cut at commit");
    for (const auto moment : {DatabaseRelay::Moment::kBeforeCommit, DatabaseRelay::Moment::kAfterCommit}) {
      for (int i = 0; i < 3; ++i) {
        const int cuts = relay_.cuts();
        relay_.cut_at_next_commit(moment);
        const std::string guid = "cut-" + std::to_string(static_cast<int>(moment)) + "-" + std::to_string(i);
        EXPECT_EQ(harness_->desire(guid), "") << "it is written again until it is certain";
        EXPECT_EQ(relay_.cuts(), cuts + 1);
      }
    }
    expect_all_well("after-cuts");
  }

  // Another session locks a row that the ledger needs next, then waits for a row that the ledger has locked.
  void a_deadlock_with_another_client() {
    SCOPED_TRACE("deadlock");
    ASSERT_EQ(harness_->desire("contended"), "");
    const auto other_client = sql::Database::open(server_.config());
    sql::Connection connection = other_client->connect();
    std::future<void> removal;
    {
      sql::Transaction transaction = connection.begin();
      connection.execute("UPDATE desired_lrps SET annotation = '' WHERE process_guid = ?", {"contended"});
      removal = begin_to_remove("contended");
      wait_until_the_term_is_locked(*other_client);
      try {
        connection.execute("UPDATE configurations SET value = value WHERE id = ?", {"rivera_active_term"});
        transaction.rollback();
      } catch (const sql::Error& e) {
        EXPECT_EQ(e.error_class(), sql::ErrorClass::kDeadlock) << e.what();
      }
    }
    EXPECT_NO_THROW(removal.get()) << "the ledger runs its transaction again, whichever side was rolled back";
    expect_all_well("after-deadlock");
  }

  std::future<void> begin_to_remove(const std::string& guid) {
    auto removing = [](Ledger& ledger, std::string what) -> asio::awaitable<void> {
      Ledger::Operation operation = [what](Board& board, base::Timestamp) {
        return board.remove_desired_lrp(what, "");
      };
      co_await ledger.run(std::move(operation));
    };
    harness_->forget(guid);
    return harness_->begin(removing(harness_->ledger(), guid));
  }

  // The ledger's transaction locks the term first.
  void wait_until_the_term_is_locked(sql::Database& other_client) {
    sql::Connection connection = other_client.connect();
    const auto end = std::chrono::steady_clock::now() + 20s;
    for (;;) {
      try {
        sql::Transaction transaction = connection.begin();
        connection.query("SELECT value FROM configurations WHERE id = ? FOR UPDATE NOWAIT", {"rivera_active_term"},
                         [](const sql::Row&) {});
      } catch (const sql::Error& e) {
        ASSERT_EQ(e.error_class(), sql::ErrorClass::kDeadlock) << e.what();
        return;
      }
      ASSERT_LT(std::chrono::steady_clock::now(), end);
    }
  }

  void a_server_that_hangs() {
    SCOPED_TRACE("hang");
    relay_.hang();
    const auto start = std::chrono::steady_clock::now();
    auto stuck = harness_->begin_to_desire("stuck");
    auto behind = harness_->begin_to_desire("behind");
    EXPECT_NE(stuck.get(), "");
    EXPECT_NE(behind.get(), "");
    EXPECT_NE(harness_->desire("refused"), "");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2 * kShortLimits.answer + 2s) << "every wait is bounded";
    EXPECT_FALSE(harness_->is_committed("stuck"));
    EXPECT_TRUE(harness_->is_committed("after-cuts")) << "reads continue";
    relay_.forward();
    expect_all_well("after-hang");
  }

  void connections_cut_under_load() {
    SCOPED_TRACE("cuts under load");
    auto load = harness_->begin_load("cuts", 8, 25);
    for (int i = 0; i < 5; ++i) {
      relay_.cut_all();
      relay_.cut_at_next_commit(i % 2 ? DatabaseRelay::Moment::kBeforeCommit : DatabaseRelay::Moment::kAfterCommit);
      harness_->desire("cuts-" + std::to_string(i));
    }
    for (auto& writer : load) writer.get();
    expect_all_well("after-load");
  }

  void a_server_killed_under_load() {
    SCOPED_TRACE("kill");
    const std::size_t before = harness_->acknowledged();
    auto load = harness_->begin_load("kill", 8, 40);
    while (harness_->acknowledged() < before + 20) std::this_thread::yield();
    server_.kill();
    server_.start();
    for (auto& writer : load) writer.get();
    expect_all_well("after-kill");
  }

  TestServer& server_;
  DatabaseRelay relay_;
  std::unique_ptr<LedgerHarness> harness_;
};

class DatabaseFaults : public testing::TestWithParam<Engine> {};

TEST_P(DatabaseFaults, LoseNothingAndPass) {
  ASSERT_TRUE(TestServer::is_installed(GetParam())) << "install the server: tools/install-packages";
  TestServer server(GetParam());
  Faults(server).check();
}

INSTANTIATE_TEST_SUITE_P(Servers, DatabaseFaults, testing::Values(Engine::kPostgres, Engine::kMysql),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

// A separate file system that the test can fill.
class SmallDisk {
 public:
  explicit SmallDisk(int megabytes) {
    const std::string options = "size=" + std::to_string(megabytes) + "m,mode=0755";
    if (mount("tmpfs", path().c_str(), "tmpfs", 0, options.c_str()) != 0) throw std::runtime_error("mount failed");
  }
  ~SmallDisk() { umount2(path().c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  std::filesystem::path path() const { return directory_.path(); }
  void fill() {
    std::ofstream file(path() / "filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void make_room() { std::filesystem::remove(path() / "filler"); }

 private:
  base::TemporaryDirectory directory_{"rivera-disk-"};
};

class FullDisk : public testing::TestWithParam<Engine> {};

TEST_P(FullDisk, IsAnErrorUntilThereIsRoom) {
  SmallDisk disk(GetParam() == Engine::kSqlite ? 4 : 400);
  std::unique_ptr<TestServer> server;
  sql::DatabaseConfig config;
  if (GetParam() == Engine::kSqlite) {
    config.connection_string = (disk.path() / "bbs.db").string();
  } else {
    ASSERT_TRUE(TestServer::is_installed(GetParam())) << "install the server: tools/install-packages";
    server = std::make_unique<TestServer>(GetParam(), disk.path());
    config = server->config();
  }
  LedgerHarness harness(config, kShortLimits);
  ASSERT_EQ(harness.desire("before"), "");
  disk.fill();
  std::string error;
  for (int i = 0; error.empty() && i < 20'000; ++i) error = harness.desire("full-" + std::to_string(i));
  EXPECT_NE(error, "") << "the disk did not fill up";
  disk.make_room();
  if (server) server->start_if_ended();
  EXPECT_TRUE(harness.desire_eventually("after", 60s)) << error;
  harness.expect_nothing_lost(config);
}

INSTANTIATE_TEST_SUITE_P(Engines, FullDisk, testing::Values(Engine::kSqlite, Engine::kPostgres, Engine::kMysql),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

}  // namespace
}  // namespace rivera::bbs
