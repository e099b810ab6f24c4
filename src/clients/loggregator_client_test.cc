#include "clients/loggregator_client.h"

#include <algorithm>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/config/config.h"
#include "clients/testing/test_ingress.h"

namespace rivera::clients {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Kind = ReceivedEnvelope::Kind;

class LoggregatorTest : public testing::Test {
 protected:
  LoggregatorOptions options() {
    LoggregatorOptions options;
    options.is_enabled = true;
    options.address = ingress_.address();
    options.tls = certificates_.client();
    options.origin = "bbs";
    options.source_id = "bbs-source";
    options.instance_id = "bbs-0";
    options.batch_max_size = 1;
    options.batch_flush_interval = 10ms;
    return options;
  }
  std::unique_ptr<LoggregatorClient> connect() { return connect(options()); }
  std::unique_ptr<LoggregatorClient> connect(LoggregatorOptions options) {
    return std::make_unique<LoggregatorClient>(std::move(options), base::Logger::discard());
  }

  net::TestCertificates certificates_;
  TestIngress ingress_{certificates_};
};

TEST_F(LoggregatorTest, SendsAGaugeOfTheComponent) {
  ingress_.start();
  const auto client = connect();
  const auto before = base::to_unix_nanos(base::SystemClock().now());
  client->send_gauge("LockHeld", 1, base::kPlainUnit, {});
  const auto envelope = ingress_.wait_for("LockHeld");
  EXPECT_EQ(envelope.kind, Kind::kGauge);
  EXPECT_EQ(envelope.value, 1);
  EXPECT_EQ(envelope.unit, "Metric");
  EXPECT_EQ(envelope.source_id, "bbs-source");
  EXPECT_EQ(envelope.instance_id, "bbs-0");
  EXPECT_EQ(envelope.tags, (std::map<std::string, std::string>{{"origin", "bbs"}}));
  EXPECT_GE(envelope.timestamp, before);
}

TEST_F(LoggregatorTest, SendsACounterWithItsDeltaAndTags) {
  ingress_.start();
  const auto client = connect();
  client->send_counter("RequestCount", 0, {{"request-type", "Lock"}});
  const auto envelope = ingress_.wait_for("RequestCount");
  EXPECT_EQ(envelope.kind, Kind::kCounter);
  EXPECT_EQ(envelope.value, 0);
  EXPECT_EQ(envelope.tags, (std::map<std::string, std::string>{{"origin", "bbs"}, {"request-type", "Lock"}}));
}

TEST_F(LoggregatorTest, SendsAnApplicationsLogUnderItsOwnName) {
  ingress_.start();
  const auto client = connect();
  client->send_app_error_log("broken", "DIEGO-API", {{"source_id", "app"}, {"instance_id", "3"}});
  const auto envelope = ingress_.wait_for("broken");
  EXPECT_EQ(envelope.kind, Kind::kErrorLog);
  EXPECT_EQ(envelope.source_id, "app");
  EXPECT_EQ(envelope.instance_id, "3");
  EXPECT_EQ(envelope.tags.at("source_type"), "DIEGO-API");
  EXPECT_EQ(envelope.tags.at("source_id"), "app");
  EXPECT_EQ(envelope.tags.at("origin"), "bbs");

  client->send_app_log("fine", "APP", {{"origin", "mine"}, {"source_type", "OTHER"}});
  const auto other = ingress_.wait_for("fine");
  EXPECT_EQ(other.kind, Kind::kLog);
  EXPECT_EQ(other.tags.at("origin"), "mine");
  EXPECT_EQ(other.tags.at("source_type"), "OTHER");
}

TEST_F(LoggregatorTest, CutsALogLineBetweenTwoCharacters) {
  ingress_.start();
  const auto client = connect();
  client->send_app_log(std::string(61'439, 'a') + "\u00e9", "APP", {});
  ingress_.wait_for(std::string(61'439, 'a'));
}

TEST_F(LoggregatorTest, GathersEnvelopesUpToTheBatchSize) {
  ingress_.start();
  auto given = options();
  given.batch_max_size = 3;
  given.batch_flush_interval = 1h;
  const auto client = connect(given);
  for (int i = 0; i < 7; ++i) client->send_gauge("g" + std::to_string(i), i, base::kPlainUnit, {});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(ingress_.wait_for("g" + std::to_string(i)).batch_size, 3U);
  EXPECT_EQ(ingress_.received().size(), 6U) << "the seventh waits for others";
}

TEST_F(LoggregatorTest, SendsWhatWaitsAtTheEnd) {
  ingress_.start();
  auto given = options();
  given.batch_max_size = 100;
  given.batch_flush_interval = 1h;
  connect(given)->send_gauge("last", 1, base::kPlainUnit, {});
  ingress_.wait_for("last");
}

TEST_F(LoggregatorTest, WaitsForAnAgentThatIsNotThereYet) {
  ingress_.start();  // for a port
  ingress_.stop();
  const auto client = connect();
  client->send_gauge("early", 1, base::kPlainUnit, {});
  ingress_.start();
  ingress_.wait_for("early");
}

TEST_F(LoggregatorTest, SendsAgainToAnAgentThatWasRestarted) {
  ingress_.start();
  const auto client = connect();
  client->send_gauge("before", 1, base::kPlainUnit, {});
  ingress_.wait_for("before");
  ingress_.stop();
  client->send_gauge("meanwhile", 1, base::kPlainUnit, {});
  ingress_.start();
  // What is written to a stream at the moment it breaks is lost without anyone knowing: so more than once.
  const auto has_come = [this] {
    const auto received = ingress_.received();
    return std::ranges::any_of(received, [](const ReceivedEnvelope& envelope) { return envelope.name == "after"; });
  };
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!has_come() && std::chrono::steady_clock::now() < deadline) {
    client->send_gauge("after", 1, base::kPlainUnit, {});
    const auto again = std::chrono::steady_clock::now() + 100ms;
    while (!has_come() && std::chrono::steady_clock::now() < again) std::this_thread::yield();
  }
  ingress_.wait_for("after");
}

TEST_F(LoggregatorTest, NeverWaitsForAnAgentThatIsStuck) {
  ingress_.start();
  ingress_.set_stuck(true);
  auto client = connect();
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < 30'000; ++i) client->send_gauge("many", i, base::kPlainUnit, {});
  EXPECT_GT(client->lost(), 0U);
  client.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - started, 15s) << "sanitizers are slow; a stuck agent would never end";
}

TEST_F(LoggregatorTest, LosesTheOldestAndKeepsTheNewest) {
  ingress_.start();
  ingress_.stop();
  auto given = options();
  given.batch_max_size = 100;
  const auto client = connect(given);
  for (int i = 0; i < 10'500; ++i) client->send_gauge("n", i, base::kPlainUnit, {});
  EXPECT_GE(client->lost(), 400U) << "all except what the thread may be sending";
  ingress_.start();
  ingress_.wait_for("the newest", [](const ReceivedEnvelope& envelope) { return envelope.value == 10'499; });
}

TEST_F(LoggregatorTest, EndsInTimeWithoutAnAgent) {
  ingress_.start();
  ingress_.stop();
  auto client = connect();
  client->send_gauge("never", 1, base::kPlainUnit, {});
  const auto started = std::chrono::steady_clock::now();
  client.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - started, 3s);
}

TEST_F(LoggregatorTest, SaysNothingToAServerOfAnotherName) {
  TestIngress impostor(certificates_, "not-metron");
  impostor.start();
  auto given = options();
  given.address = impostor.address();
  auto client = connect(given);
  client->send_gauge("secret", 1, base::kPlainUnit, {});
  client.reset();
  EXPECT_TRUE(impostor.received().empty());
}

TEST_F(LoggregatorTest, SaysNothingIfNotEnabled) {
  ingress_.start();
  auto given = options();
  given.is_enabled = false;
  auto client = connect(given);
  client->send_gauge("g", 1, base::kPlainUnit, {});
  client->send_app_error_log("l", "APP", {});
  client.reset();
  EXPECT_TRUE(ingress_.received().empty());
}

TEST_F(LoggregatorTest, NamesTheFileThatIsMissing) {
  auto given = options();
  given.tls.certificate_file = "/none.crt";
  try {
    connect(given);
    FAIL() << "it should have been refused";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("/none.crt"), std::string::npos);
  }
}

LoggregatorOptions read(const json::object& object) {
  return read_loggregator_options(base::ConfigFile("file", {{"loggregator", object}}, loggregator_keys()));
}

const json::object kPaths = {
    {"loggregator_ca_path", "ca"}, {"loggregator_cert_path", "cert"}, {"loggregator_key_path", "key"}};

TEST(LoggregatorOptions, AreOffUnlessAskedForOrCertified) {
  EXPECT_FALSE(read_loggregator_options(base::ConfigFile("file", {}, loggregator_keys())).is_enabled);
  EXPECT_FALSE(read({}).is_enabled);
  EXPECT_TRUE(read(kPaths).is_enabled) << "newer configurations have no switch";
  json::object switched_off = kPaths;
  switched_off["loggregator_use_v2_api"] = false;
  EXPECT_FALSE(read(switched_off).is_enabled);
}

TEST(LoggregatorOptions, HaveUpstreamsDefaults) {
  const LoggregatorOptions options = read(kPaths);
  EXPECT_EQ(options.address, "127.0.0.1:3458");
  EXPECT_EQ(options.batch_max_size, 100U);
  EXPECT_EQ(options.batch_flush_interval, 100ms);
}

TEST(LoggregatorOptions, AreReadUnderUpstreamsKeys) {
  json::object given = kPaths;
  given["loggregator_api_host"] = "::1";
  given["loggregator_api_port"] = 1234;
  given["loggregator_job_origin"] = "bbs";
  given["loggregator_source_id"] = "source";
  given["loggregator_instance_id"] = "instance";
  given["loggregator_batch_max_size"] = 1;
  given["BatchFlushInterval"] = 10'000'000;
  const LoggregatorOptions options = read(given);
  EXPECT_EQ(options.address, "[::1]:1234");
  EXPECT_EQ(options.origin, "bbs");
  EXPECT_EQ(options.source_id, "source");
  EXPECT_EQ(options.instance_id, "instance");
  EXPECT_EQ(options.batch_max_size, 1U);
  EXPECT_EQ(options.batch_flush_interval, 10ms);
  EXPECT_EQ(options.tls.certificate_file, "cert");
}

TEST(LoggregatorOptions, RefuseWhatCannotBe) {
  const auto failure = [](const json::object& given) {
    try {
      read(given);
      return std::string("no failure");
    } catch (const base::ConfigError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_NE(failure({{"loggregator_use_v2_api", true}}).find("loggregator.loggregator_cert_path"), std::string::npos)
      << failure({{"loggregator_use_v2_api", true}});
  EXPECT_NE(failure({{"loggregator_api_port", 70'000}}).find("loggregator_api_port"), std::string::npos);
  EXPECT_NE(failure({{"loggregator_batch_max_size", "1"}}).find("loggregator_batch_max_size"), std::string::npos);
}

}  // namespace
}  // namespace rivera::clients
