#include "locket/locket.h"

#include <fstream>

#include <boost/json.hpp>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/grpcpp.h>

#include "base/bytes.h"
#include "locket.grpc.pb.h"
#include "locket/locket_harness.h"
#include "models/locket.h"
#include "sql/database.h"
#include "sql/test_servers.h"

namespace rivera::locket {
namespace {

using clients::LocketError;
using clients::LocketType;
using std::chrono::seconds;

// The names that the recordings use.
std::string code_name(grpc::StatusCode code) {
  switch (code) {
    case grpc::OK:
      return "OK";
    case grpc::NOT_FOUND:
      return "NotFound";
    case grpc::ALREADY_EXISTS:
      return "AlreadyExists";
    case grpc::INVALID_ARGUMENT:
      return "InvalidArgument";
    default:
      return std::to_string(code);
  }
}

template <typename Message>
Message decode(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

class LocketServer : public LocketHarness {
 protected:
  std::unique_ptr<locket_api::Locket::Stub> make_stub(const net::TlsFiles& tls) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = base::read_file(tls.ca_file);
    if (!tls.certificate_file.empty()) options.pem_cert_chain = base::read_file(tls.certificate_file);
    if (!tls.key_file.empty()) options.pem_private_key = base::read_file(tls.key_file);
    return locket_api::Locket::NewStub(grpc::CreateChannel(config_.listen_address, grpc::SslCredentials(options)));
  }

  grpc::Status lock(const std::string& key, const std::string& owner, std::int64_t ttl, const std::string& value = "") {
    locket_api::LockRequest request;
    request.mutable_resource()->set_key(key);
    request.mutable_resource()->set_owner(owner);
    request.mutable_resource()->set_value(value);
    request.mutable_resource()->set_type_code(locket_api::LOCK);
    request.set_ttl_in_seconds(ttl);
    grpc::ClientContext context;
    locket_api::LockResponse response;
    return stub_->Lock(&context, request, &response);
  }

  bool is_held(const std::string& key) { return run(client().fetch(key)).has_value(); }

  // The whole of tests/golden/locket-scenario.jsonl.
  void replay_recording();
  // Plays one recorded call; gives its status and its response's bytes.
  std::pair<grpc::Status, std::string> play(const std::string& method, const std::string& bytes);

  std::unique_ptr<locket_api::Locket::Stub> stub_ = make_stub(certificates_.client());
};

std::pair<grpc::Status, std::string> LocketServer::play(const std::string& method, const std::string& bytes) {
  grpc::ClientContext context;
  if (method == "/models.Locket/Lock") {
    locket_api::LockResponse response;
    auto status = stub_->Lock(&context, decode<locket_api::LockRequest>(bytes), &response);
    return {status, response.SerializeAsString()};
  }
  if (method == "/models.Locket/Release") {
    locket_api::ReleaseResponse response;
    auto status = stub_->Release(&context, decode<locket_api::ReleaseRequest>(bytes), &response);
    return {status, response.SerializeAsString()};
  }
  if (method == "/models.Locket/Fetch") {
    locket_api::FetchResponse response;
    auto status = stub_->Fetch(&context, decode<locket_api::FetchRequest>(bytes), &response);
    return {status, response.SerializeAsString()};
  }
  locket_api::FetchAllResponse response;
  auto status = stub_->FetchAll(&context, decode<locket_api::FetchAllRequest>(bytes), &response);
  std::sort(response.mutable_resources()->begin(), response.mutable_resources()->end(),
            [](const auto& a, const auto& b) { return a.key() < b.key(); });
  return {status, response.SerializeAsString()};
}

void LocketServer::replay_recording() {
  ASSERT_TRUE(lock("bbs", "bbs-uuid-1", 600).ok());  // the BBS that ran during the recording
  std::ifstream recording(RIVERA_SOURCE_DIR "/tests/golden/locket-scenario.jsonl");
  ASSERT_TRUE(recording);
  int steps = 0;
  for (std::string line; std::getline(recording, line); ++steps) {
    const auto step = boost::json::parse(line).as_object();
    const std::string name(step.at("step").as_string());
    SCOPED_TRACE(name);
    const auto text = [&](const char* key) {
      return step.contains(key) ? std::string(step.at(key).as_string()) : std::string();
    };
    if (name.find("expired") != std::string::npos) {
      while (is_held("k7")) std::this_thread::yield();  // bounded by the test's own time limit
    }
    const auto [status, response] = play(text("method"), base::from_hex(text("request_hex")));
    EXPECT_EQ(code_name(status.error_code()), text("code"));
    EXPECT_EQ(status.error_message(), text("error"));
    if (!status.ok()) continue;
    auto expected = base::from_hex(text("response_hex"));
    if (text("method") == "/models.Locket/FetchAll") {
      auto list = decode<locket_api::FetchAllResponse>(expected);
      std::sort(list.mutable_resources()->begin(), list.mutable_resources()->end(),
                [](const auto& a, const auto& b) { return a.key() < b.key(); });
      expected = list.SerializeAsString();
    }
    EXPECT_EQ(base::to_hex(response), base::to_hex(expected));
  }
  EXPECT_EQ(steps, 31);
}

TEST_F(LocketServer, AnswersTheRecordedConversationAsUpstreamDid) { replay_recording(); }

class LocketOnServerEngine : public LocketServer, public testing::WithParamInterface<sql::Engine> {};

TEST_P(LocketOnServerEngine, AnswersTheRecordedConversationOnADatabaseOfUpstream) {
  ASSERT_TRUE(sql::TestServer::is_installed(GetParam())) << "install the server: tools/install-packages";
  stop();
  sql::TestServer server(GetParam());
  config_.database = server.config();
  if (GetParam() == sql::Engine::kPostgres) {
    server.load(RIVERA_SOURCE_DIR "/tests/golden/upstream-locket-postgres.sql");
    start();
    EXPECT_EQ(lock("bbs", "another", 10).error_message(), "lock-collision");
  } else {
    start();
  }
  replay_recording();
  EXPECT_EQ(lock("k", "o", 10, std::string(4097, 'x')).error_message(), "sql-bad-request");
  stop();
}

INSTANTIATE_TEST_SUITE_P(Engines, LocketOnServerEngine, testing::Values(sql::Engine::kPostgres, sql::Engine::kMysql),
                         [](const auto& engine) { return std::string(sql::to_string(engine.param)); });

TEST_F(LocketServer, RefusesClientsWithoutACertificateOfItsAuthority) {
  net::TestCertificates stranger;
  net::TlsFiles wrong_pair = stranger.client();
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

TEST_F(LocketServer, SurvivesWhatIsTooLargeOrNoProtobuf) {
  EXPECT_EQ(lock("k", "o", 10, std::string(1 << 20, 'x')).error_code(), grpc::RESOURCE_EXHAUSTED);
  const auto too_long = lock("k", "o", 10, std::string(4097, 'x'));
  EXPECT_EQ(too_long.error_code(), grpc::UNKNOWN);
  EXPECT_EQ(too_long.error_message(), "sql-bad-request");
  EXPECT_FALSE(is_held("k"));
  EXPECT_TRUE(lock("k", "o", 10, std::string(4096, 'x')).ok());
}

TEST_F(LocketServer, LetsAWriteThatCannotBeStoredNotHurtItsNeighbours) {
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
  const auto end = std::chrono::steady_clock::now() + kPatience;
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
  ASSERT_EQ(stopped.wait_for(kPatience), std::future_status::ready);
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
