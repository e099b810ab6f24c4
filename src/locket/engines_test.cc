// Tests that must pass on every engine: the recorded conversation, limits, expiry, several nodes on one database. Each
// engine is one test, since starting a server takes longer than the test itself.
#include "base/testing/places.h"
#include "locket/testing/locket_rpc_harness.h"
#include "sql/database.h"
#include "sql/testing/test_servers.h"

namespace rivera::locket {
namespace {

using clients::LocketType;
using std::chrono::seconds;

class LocketOnEngine : public LocketServer, public testing::WithParamInterface<sql::Engine> {
 protected:
  LocketOnEngine() {
    if (GetParam() == sql::Engine::kSqlite) return;
    stop();
    server_ = std::make_unique<sql::TestServer>(GetParam());
    config_.database = server_->config();
    // The rows that upstream's Locket left, if they were recorded.
    if (GetParam() == sql::Engine::kPostgres) {
      server_->load(base::source_dir() + "/tests/golden/upstream-locket-postgres.sql");
    }
    start();
  }
  ~LocketOnEngine() override {
    second_stub_.reset();
    if (second_) run(end_second());
    client_.reset();
    stop();
  }

  // Another Locket on the same database.
  void start_second() {
    Config config = config_;
    config.listen_address = "127.0.0.1:0";
    second_ = std::make_unique<Locket>(io_.get_executor(), workers_, config, base::Logger::discard(), [](int) {});
    run(second_->start());
    const auto channel = make_channel(certificates_.client(), {}, second_->address());
    second_stub_ = locket_api::Locket::NewStub(channel);
  }
  asio::awaitable<void> end_second() {
    auto ending = second_->stop();
    co_await std::move(ending);
    second_.reset();
  }

  void wait_until_free(const std::string& key) {
    wait_until([this, key]() -> asio::awaitable<bool> {
      const auto held = co_await client().fetch(key);
      co_return !held;
    });
  }

  void values_have_limits();
  void one_bad_value_fails_alone();
  void two_nodes_are_one_locket();
  void a_node_expires_what_another_left();
  void a_hung_database_is_answered_for();

  std::unique_ptr<sql::TestServer> server_;
  std::unique_ptr<Locket> second_;
  std::unique_ptr<locket_api::Locket::Stub> second_stub_;
};

void LocketOnEngine::values_have_limits() {
  SCOPED_TRACE("limits");
  EXPECT_TRUE(lock(std::string(255, 'k'), std::string(255, 'o'), 10, std::string(4096, 'v')).ok());
  for (const auto& status : {lock(std::string(256, 'k'), "o", 10), lock("k", std::string(256, 'o'), 10),
                             lock("k", "o", 10, std::string(4097, 'v'))}) {
    EXPECT_EQ(status.error_code(), grpc::UNKNOWN);
    EXPECT_EQ(status.error_message(), "sql-bad-request");
  }
  EXPECT_TRUE(lock("umlaut \u00e4", "o", 1, std::string(1024, 'v') + "\u00e4").ok());
  EXPECT_TRUE(lock("unlimited", "o", std::numeric_limits<std::int64_t>::max()).ok());
}

// Some engines refuse a NUL or invalid text. Other writes in the same transaction must succeed nevertheless.
void LocketOnEngine::one_bad_value_fails_alone() {
  SCOPED_TRACE("neighbours");
  constexpr int kCalls = 12;
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      const std::string value = i == 5 ? std::string(5000, 'x') : i == 7 ? std::string("a\0b", 3) : "fine";
      return lock("neighbour-" + std::to_string(i), "o", 10, value);
    }));
  }
  for (int i = 0; i < kCalls; ++i) {
    const auto status = calls[static_cast<std::size_t>(i)].get();
    if (i == 5 || i == 7) continue;
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

void LocketOnEngine::two_nodes_are_one_locket() {
  SCOPED_TRACE("two nodes");
  ASSERT_TRUE(lock("shared", "o", 2).ok());
  EXPECT_EQ(lock(*second_stub_, "shared", "other", 2).error_message(), "lock-collision");
  // Kept alive through one node only, for longer than its time to live: the other node must not expire it.
  const auto end = std::chrono::steady_clock::now() + seconds(4);
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_TRUE(lock(*second_stub_, "shared", "o", 2).ok());
    ASSERT_TRUE(is_held("shared"));
  }
  EXPECT_TRUE(release(*second_stub_, "shared", "o").ok());
  EXPECT_FALSE(is_held("shared"));
  EXPECT_TRUE(lock("shared", "other", 60).ok());
  EXPECT_EQ(release(*second_stub_, "shared", "o").error_message(), "lock-collision");

  // Both ask for the same new keys at once, in their own order.
  for (int round = 0; round < 5; ++round) {
    std::vector<std::future<grpc::Status>> calls;
    for (int i = 0; i < 8; ++i) {
      const std::string key = "contended-" + std::to_string(round) + "-" + std::to_string(i);
      calls.push_back(std::async(std::launch::async, [this, key] { return lock(key, "first", 60); }));
      calls.push_back(std::async(std::launch::async, [this, key] { return lock(*second_stub_, key, "second", 60); }));
    }
    for (std::size_t i = 0; i < calls.size(); i += 2) {
      const auto one = calls[i].get(), other = calls[i + 1].get();
      EXPECT_EQ(one.ok() + other.ok(), 1) << one.error_message() << ", " << other.error_message();
    }
  }
}

void LocketOnEngine::a_node_expires_what_another_left() {
  SCOPED_TRACE("a node that died");
  ASSERT_TRUE(lock(*second_stub_, "orphan", "o", 1).ok());
  ASSERT_TRUE(lock(*second_stub_, "kept", "o", 600, "v").ok());
  second_stub_.reset();
  run(end_second());
  wait_until_free("orphan");
  EXPECT_TRUE(is_held("kept"));
}

void LocketOnEngine::a_hung_database_is_answered_for() {
  SCOPED_TRACE("hung database");
  if (GetParam() == sql::Engine::kSqlite) return;  // its readers never wait
  config_.database.operation_timeout = std::chrono::milliseconds(500);
  client_.reset();
  stop();
  start();
  stub_ = make_stub(certificates_.client());
  ASSERT_TRUE(lock("hung", "o", 600).ok());
  {
    auto connection = sql::Database::open(server_->config())->connect();
    const bool is_postgres = GetParam() == sql::Engine::kPostgres;
    connection.execute_script(is_postgres ? "BEGIN; LOCK TABLE locks IN ACCESS EXCLUSIVE MODE"
                                          : "LOCK TABLES locks WRITE");
    grpc::ClientContext context;
    locket_api::FetchRequest request;
    request.set_key("hung");
    locket_api::FetchResponse response;
    for (const auto& status : {lock("hung", "o", 600), stub_->Fetch(&context, request, &response)}) {
      EXPECT_EQ(status.error_code(), grpc::DEADLINE_EXCEEDED);
      EXPECT_EQ(status.error_message(), "context deadline exceeded");
    }
    connection.execute_script(is_postgres ? "ROLLBACK" : "UNLOCK TABLES");
  }
  wait_until([this]() -> asio::awaitable<bool> {
    bool works = true;
    try {
      co_await client().fetch("hung");
    } catch (const clients::LocketError&) {
      works = false;
    }
    co_return works;
  });
}

TEST_P(LocketOnEngine, DoesWhatTheSpecificationSays) {
  if (GetParam() == sql::Engine::kPostgres) {
    EXPECT_EQ(lock("bbs", "another", 10).error_message(), "lock-collision") << "upstream's lock is still held";
  }
  replay_recording();
  values_have_limits();
  one_bad_value_fails_alone();
  start_second();
  two_nodes_are_one_locket();
  a_node_expires_what_another_left();
  a_hung_database_is_answered_for();
}

INSTANTIATE_TEST_SUITE_P(Engines, LocketOnEngine,
                         testing::Values(sql::Engine::kSqlite, sql::Engine::kPostgres, sql::Engine::kMysql),
                         [](const auto& engine) { return std::string(sql::to_string(engine.param)); });

}  // namespace
}  // namespace rivera::locket
