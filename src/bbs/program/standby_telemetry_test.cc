// The telemetry of a process without the lock, and starts that must fail.
#include <thread>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/config/config.h"
#include "base/files.h"
#include "base/process/program.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "bbs/program/bbs_program.h"
#include "clients/testing/test_ingress.h"
#include "net/testing/test_certificates.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using clients::ReceivedEnvelope;

// A valid configuration with an unreachable Locket: the BBS stays a standby.
class Standby : public testing::Test {
 protected:
  Standby() { ingress_.start(); }

  json::object config() {
    const net::TlsFiles& tls = certificates_.server();
    return {{"uuid", "standby"},
            {"listen_address", "127.0.0.1:0"},
            {"health_address", "127.0.0.1:0"},
            {"ca_file", tls.ca_file},
            {"cert_file", tls.certificate_file},
            {"key_file", tls.key_file},
            {"database_driver", "sqlite3"},
            {"database_connection_string", (directory_.path() / "bbs.db").string()},
            {"encryption_keys", {{"k1", "a secure passphrase"}}},
            {"active_key_label", "k1"},
            {"auctioneer_address", "http://127.0.0.1:1"},
            {"locket_address", "127.0.0.1:1"},
            {"locket_ca_cert_file", tls.ca_file},
            {"locket_client_cert_file", tls.certificate_file},
            {"locket_client_key_file", tls.key_file},
            {"report_interval", "20ms"},
            {"loggregator", json::parse(ingress_.config_for("bbs", certificates_.client()))}};
  }

  std::string write(const json::object& config) {
    const auto path = directory_.path() / "bbs.json";
    base::write_file_atomically(path, json::serialize(config));
    return path;
  }

  base::CommandResult bbs(const json::object& config, const std::string& flag = "") {
    std::vector<std::string> command{base::bin_dir() + "/bbs", "-config", write(config)};
    if (!flag.empty()) command.push_back(flag);
    return base::run_command(command);
  }

  base::TemporaryDirectory directory_{"rivera-bbs-test-"};
  net::TestCertificates certificates_;
  clients::TestIngress ingress_{certificates_};
};

TEST_F(Standby, ReportsThatItDoesNotHoldTheLockAndNoRequests) {
  const Config loaded = load_config(write(config()));
  base::ProgramOptions options;
  options.name = "bbs";
  options.log_level = base::LogLevel::kFatal;
  base::Program program(options);
  std::thread running([&] { program.run([&](base::Program& p) { return run_bbs(p, loaded); }); });
  const auto held = ingress_.wait_for("LockHeld");
  const auto files = ingress_.wait_for("OpenFileDescriptors");
  program.request_stop(0);
  running.join();
  EXPECT_EQ(held.kind, ReceivedEnvelope::Kind::kGauge);
  EXPECT_EQ(held.value, 0);
  EXPECT_GT(files.value, 3);
  EXPECT_EQ(files.unit, "Metric");
  for (const ReceivedEnvelope& envelope : ingress_.received()) {
    EXPECT_NE(envelope.name, "RequestCount");
    EXPECT_NE(envelope.name, "BBSMasterElected");
  }
}

TEST_F(Standby, EndsWithStatusOneIfTheAccessLogCannotBeOpened) {
  json::object given = config();
  given["access_log_path"] = "/no/such/directory/access.log";
  const auto result = bbs(given);
  EXPECT_EQ(result.exit_status, 1) << result.output << result.error;
  EXPECT_NE(result.output.find("/no/such/directory/access.log"), std::string::npos) << result.output;
}

TEST_F(Standby, IsRefusedIfACertificateForTheAgentIsMissing) {
  json::object given = config();
  given["loggregator"].as_object()["loggregator_cert_path"] = "/none.crt";
  const auto result = bbs(given);
  EXPECT_EQ(result.exit_status, 2) << result.output << result.error;
  EXPECT_NE(result.error.find("/none.crt"), std::string::npos) << result.error;
}

TEST_F(Standby, CheckConfigReadsTheAgentsCertificatesToo) {
  json::object given = config();
  EXPECT_EQ(bbs(given, "-check-config").exit_status, 0) << bbs(given, "-check-config").error;
  given["loggregator"].as_object()["loggregator_key_path"] = "/none.key";
  const auto result = bbs(given, "-check-config");
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_NE(result.error.find("/none.key"), std::string::npos) << result.error;
}

}  // namespace
}  // namespace rivera::bbs
