#include "locket/locket.h"

#include "locket/testing/locket_rpc_harness.h"
#include "sql/database.h"

namespace rivera::locket {
namespace {

using clients::LocketType;
using std::chrono::seconds;

TEST_F(LocketServer, RefusesClientsWithoutACertificateOfItsAuthority) {
  net::TestCertificates other_authority;
  net::TlsFiles wrong_pair = other_authority.client();
  wrong_pair.ca_file = certificates_.ca_file();
  const net::TlsFiles no_pair{"", "", certificates_.ca_file()};
  const net::TlsFiles expired = certificates_.issue({.valid_for_days = -1});
  for (const auto& tls : {wrong_pair, no_pair, expired}) {
    grpc::ClientContext context;
    locket_api::FetchResponse response;
    const auto status = make_stub(tls)->Fetch(&context, locket_api::FetchRequest(), &response);
    EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  }
  EXPECT_TRUE(lock("k", "o", 10).ok());
}

TEST_F(LocketServer, RefusesToStartWithAnExpiredOrMissingCertificate) {
  stop();
  const auto good = config_.tls;
  config_.tls = certificates_.issue({.valid_for_days = -1});
  EXPECT_THROW(start(), std::runtime_error);
  stop();
  config_.tls.key_file = "/absent";
  EXPECT_THROW(start(), std::runtime_error);
  stop();
  config_.tls = good;
  start();
  EXPECT_TRUE(lock("k", "o", 10).ok());
}

TEST_F(LocketServer, RefusesAnAddressThatIsInUse) {
  Locket second(io_.get_executor(), workers_, config_, base::Logger::discard(), [](int) {});
  EXPECT_THROW(run(second.start()), std::runtime_error);
  run(second.stop());
}

// grpc-go pings an idle connection every 10 s; a server with default settings sends GOAWAY after the third.
TEST_F(LocketServer, KeepsAnIdleConnectionThatPings) {
  grpc::ChannelArguments pings;
  pings.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20);
  pings.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  pings.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  pings.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  pings.SetInt("grpc.http2.min_time_between_pings_ms", 10);
  const auto channel = make_channel(certificates_.client(), pings);
  ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + kTestLimit));
  const auto until = std::chrono::system_clock::now() + std::chrono::milliseconds(1500);
  EXPECT_FALSE(channel->WaitForStateChange(GRPC_CHANNEL_READY, until)) << "the server has ended the connection";
}

TEST_F(LocketServer, TreatsARequestWithoutResourceAsAnEmptyOne) {
  grpc::ClientContext lock_context;
  locket_api::LockResponse lock_response;
  const auto status = stub_->Lock(&lock_context, locket_api::LockRequest(), &lock_response);
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "invalid-type");
  grpc::ClientContext release_context;
  locket_api::ReleaseResponse release_response;
  EXPECT_TRUE(stub_->Release(&release_context, locket_api::ReleaseRequest(), &release_response).ok());
}

TEST_F(LocketServer, SurvivesMessagesThatAreTooLargeOrNotProtobuf) {
  EXPECT_EQ(lock("k", "o", 10, std::string(1 << 20, 'x')).error_code(), grpc::RESOURCE_EXHAUSTED);
  const auto too_long = lock("k", "o", 10, std::string(4097, 'x'));
  EXPECT_EQ(too_long.error_code(), grpc::UNKNOWN);
  EXPECT_EQ(too_long.error_message(), "sql-bad-request");
  EXPECT_FALSE(is_held("k"));
  EXPECT_TRUE(lock("k", "o", 10, std::string(4096, 'x')).ok());
}

TEST_F(LocketServer, FailsOnlyTheWriteThatCannotBeStored) {
  constexpr int kCalls = 20;
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      return lock("k" + std::to_string(i), "o", 10, std::string(i == 7 ? 5000 : 10, 'x'));
    }));
  }
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_EQ(calls[static_cast<std::size_t>(i)].get().error_code(), i == 7 ? grpc::UNKNOWN : grpc::OK) << i;
  }
  EXPECT_EQ(run(client().fetch_all(LocketType::kLock)).size(), kCalls - 1u);
}

TEST_F(LocketServer, GivesALockToOneOfManyWhoAskAtOnce) {
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < 16; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] { return lock("k", "owner-" + std::to_string(i), 10); }));
  }
  int winners = 0;
  for (auto& call : calls) {
    const auto status = call.get();
    winners += status.ok();
    EXPECT_EQ(status.error_message(), status.ok() ? "" : "lock-collision");
  }
  EXPECT_EQ(winners, 1);
}

TEST_F(LocketServer, ExpiresWhatIsNotRefreshedAndKeepsWhatIs) {
  ASSERT_TRUE(lock("dropped", "o", 1).ok());
  ASSERT_TRUE(lock("kept", "o", 1).ok());
  const auto end = std::chrono::steady_clock::now() + kTestLimit;
  while (is_held("dropped") && std::chrono::steady_clock::now() < end) ASSERT_TRUE(lock("kept", "o", 1).ok());
  EXPECT_FALSE(is_held("dropped"));
  EXPECT_TRUE(is_held("kept"));
  EXPECT_TRUE(lock("dropped", "other", 10).ok());
}

TEST_F(LocketServer, KeepsItsLocksOverARestartAndLetsThemExpireAfterwards) {
  ASSERT_TRUE(lock("long", "o", 600, "value").ok());
  ASSERT_TRUE(lock("short", "o", 1).ok());
  stop();
  start();
  const auto found = run(client().fetch("long"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, "value");
  EXPECT_EQ(found->type, LocketType::kLock);
  EXPECT_EQ(found->type_name, "lock");
  EXPECT_EQ(lock("long", "other", 10).error_message(), "lock-collision");
  wait_until([this]() -> asio::awaitable<bool> {
    const auto held = co_await client().fetch("short");
    co_return !held;
  });
}

TEST_F(LocketServer, SeesWhatAnotherNodeWroteAndExpiresIt) {
  const auto database = sql::Database::open(config_.database);
  database->connect().execute(
      "INSERT INTO locks (path, owner, value, type, modified_index, modified_id, ttl) VALUES (?, ?, ?, ?, ?, ?, ?)",
      {"foreign", "o", "", "odd", 3, "id", 1});
  const auto found = run(client().fetch("foreign"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->type_name, "odd");
  EXPECT_EQ(found->type, LocketType::kUnknown);
  wait_until([this]() -> asio::awaitable<bool> {
    const auto held = co_await client().fetch("foreign");
    co_return !held;
  });
}

TEST_F(LocketServer, AnswersAnErrorAndEndsWhenItsTableIsGone) {
  sql::Database::open(config_.database)->connect().execute_script("DROP TABLE locks");
  grpc::ClientContext context;
  locket_api::FetchAllRequest request;
  request.set_type_code(locket_api::PRESENCE);
  locket_api::FetchAllResponse response;
  const auto status = stub_->FetchAll(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::UNKNOWN);
  EXPECT_EQ(status.error_message(), "sql-unrecoverable");
  auto stopped = stopped_.get_future();
  ASSERT_EQ(stopped.wait_for(kTestLimit), std::future_status::ready);
  EXPECT_EQ(stopped.get(), 0);
}

TEST_F(LocketServer, FinishesRunningCallsWhenItStops) {
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] { return lock("k" + std::to_string(i), "o", 600); }));
  }
  stop();
  std::vector<std::string> acknowledged;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].get().ok()) acknowledged.push_back("k" + std::to_string(i));
  }
  start();
  for (const auto& key : acknowledged) EXPECT_TRUE(is_held(key)) << key;
}

}  // namespace
}  // namespace rivera::locket
