// The windows in which a BBS could act without the lock, one by one (docs/durability.md).
#include "bbs/program/bbs_harness.h"
#include "models/testing/testing.h"
#include "net/http/http_server.h"
#include "sql/database.h"

namespace rivera::bbs {
namespace {

class Fencing : public BbsHarness {
 protected:
  Fencing() { run(make_auctioneer()); }
  ~Fencing() override { run(auctioneer_->stop(std::chrono::seconds(1))); }

  asio::awaitable<void> make_auctioneer() {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    auctioneer_ = std::make_unique<net::HttpServer>(
        home_, std::move(options), [this](net::HttpExchange& exchange) { return count(exchange); },
        base::Logger::discard());
    auctioneer_->listen();
    auctioneer_->start();
    config_.auctioneer.url = "http://" + auctioneer_->address();
    co_return;
  }
  asio::awaitable<void> count(net::HttpExchange& exchange) {
    co_await exchange.read_body(1 << 20);
    ++auctions_;
    net::HttpResponse response;
    response.status = 202;
    co_await exchange.respond(std::move(response));
  }

  static net::HttpRequest desire(const std::string& guid) {
    models::DesireLRPRequest message;
    *message.mutable_desired_lrp() = models::testing::a_desired_lrp(guid).with_instances(1);
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/v1/desired_lrp/desire.r2";
    request.body = message.SerializeAsString();
    return request;
  }

  // The rotation of keys that follows the start has ended: from then on only writes speak to the database.
  void wait_until_keys_are_rotated() {
    const auto end = std::chrono::steady_clock::now() + kTestTimeout;
    const char* label = "SELECT 1 FROM configurations WHERE id = 'encryption_key_label'";
    while (!database_->connect().query_one(label, {}, [](const sql::Row&) {})) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
    }
  }

  bool is_stored(const std::string& guid) {
    return database_->connect().query_one("SELECT 1 FROM desired_lrps WHERE process_guid = ?", {guid},
                                          [](const sql::Row&) {});
  }

  // Returns once further statements have begun: a write is waiting for the database.
  void wait_until_a_write_waits(std::int64_t statements_before) {
    const auto end = std::chrono::steady_clock::now() + kTestTimeout;
    while (database_->take_statistics().queries <= statements_before) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
    }
  }

  std::unique_ptr<net::HttpServer> auctioneer_;
  std::atomic<int> auctions_ = 0;
};

// The lock is lost while COMMIT is under way: the write stays, but its client gets no answer.
TEST_F(Fencing, WhatIsCommittedAfterTheLockWasLostIsNeitherAnsweredNorPublished) {
  config_.lock_retry_interval = std::chrono::hours(1);  // no statement but the write's
  start();
  wait_until_keys_are_rotated();
  std::future<net::HttpResponse> answer;
  {
    auto holder = database_->connect();
    const auto transaction = holder.begin(sql::TransactionMode::kWrite);
    const auto before = database_->take_statistics().queries;
    answer = asio::co_spawn(home_, send(desire("p")), asio::use_future);
    wait_until_a_write_waits(before);
    has_lock_ = false;
  }
  EXPECT_EQ(answer.get().status, 503);
  EXPECT_TRUE(gave_up_);
  EXPECT_TRUE(is_stored("p"));
  stop();
  EXPECT_EQ(auctions_, 0);
}

TEST_F(Fencing, AnswersNothingOnceAnotherTermHasBegun) {
  config_.lock_retry_interval = std::chrono::milliseconds(20);
  start();
  EXPECT_EQ(post("/v1/ping", "").status, 200);
  Store(*database_, *cipher_).become_active();
  const auto end = std::chrono::steady_clock::now() + kTestTimeout;
  while (post("/v1/ping", "").status == 200) ASSERT_LT(std::chrono::steady_clock::now(), end);
  EXPECT_TRUE(gave_up_);
  EXPECT_EQ(run(send(desire("p"))).status, 503);
  EXPECT_FALSE(is_stored("p"));
}

TEST_F(Fencing, DoesNotEndAnothersTermWithoutTheLock) {
  const auto database = sql::Database::open(config_.database);
  const ColumnCipher cipher(config_.encryption_keys, config_.active_key_label);
  Store other(*database, cipher);
  other.open();
  other.become_active();
  has_lock_ = false;
  EXPECT_THROW(start(), LockLost);
  EXPECT_TRUE(other.is_active());
}

}  // namespace
}  // namespace rivera::bbs
