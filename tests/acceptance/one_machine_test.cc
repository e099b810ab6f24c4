// ./run from beginning to end, on a cluster of its own: up, up again, down, up, down, and what is left.
#include <filesystem>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "cluster/prepare/certificates.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::set<std::string> lines_with(const std::string& text, const std::string& part) {
  std::set<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(part) != std::string::npos) out.insert(line);
  }
  return out;
}

// Everything on this machine that carries the cluster's directory or tag.
std::set<std::string> traces_of(const cluster::Settings& settings) {
  std::set<std::string> out;
  const std::string directory = settings.var_dir.string();
  for (const std::string& line : lines_with(base::read_file("/proc/self/mounts"), directory))
    out.insert("mount " + line);
  for (const std::string& line : lines_with(base::read_file("/proc/self/mounts"), "garden-" + settings.garden_tag)) {
    out.insert("mount " + line);
  }
  for (const auto& entry : fs::directory_iterator("/run")) {
    if (entry.path().filename().string().starts_with("garden-" + settings.garden_tag)) out.insert(entry.path());
  }
  for (const auto& entry : fs::directory_iterator("/sys/class/net")) {
    const std::string name = entry.path().filename();
    if (name.starts_with("w" + settings.garden_tag)) out.insert("interface " + name);
  }
  for (const std::string& line : lines_with(base::must_run({"nft", "list", "ruleset"}), "w" + settings.garden_tag)) {
    out.insert("rule " + line);
  }
  for (const std::string& line : lines_with(base::must_run({"nft", "list", "tables"}), "_" + settings.garden_tag)) {
    out.insert(line);
  }
  std::error_code ec;
  for (const auto& entry : fs::recursive_directory_iterator("/sys/fs/cgroup", ec)) {
    if (entry.path().filename() == "garden-" + settings.garden_tag) out.insert("cgroup " + entry.path().string());
  }
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      if (base::read_file(entry.path() / "cmdline").find(directory) != std::string::npos) out.insert("process " + pid);
    } catch (const std::system_error&) {
      // It has just ended.
    }
  }
  return out;
}

std::set<std::string> instance_guids(const ClusterUnderTest& cluster) {
  const auto instances =
      cluster.with_bbs([](clients::BbsClient& bbs) -> asio::awaitable<std::vector<models::ActualLRP>> {
        models::ActualLRPsRequest every;
        return bbs.actual_lrps(std::move(every));
      });
  std::set<std::string> out;
  for (const models::ActualLRP& instance : instances) out.insert(instance.actual_lrp_instance_key().instance_guid());
  return out;
}

TEST(OneMachine, ComesUpStaysUpGoesDownAndComesBack) {
  // Blanks and apostrophes are in paths of people.
  const base::TemporaryDirectory directory("rivera o'ne machine-");
  ClusterUnderTest cluster = ClusterUnderTest::start(directory.path(), true);
  const auto guids = instance_guids(cluster);
  ASSERT_EQ(guids.size(), 2u);

  // A second ./run: seconds, and the applications run on as they were.
  const auto begun = std::chrono::steady_clock::now();
  const auto again = cluster.run_tool({"up"});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  ASSERT_EQ(again.exit_status, 0) << again.output << again.error;
  EXPECT_LT(took.count(), 15);
  EXPECT_THAT(again.output, HasSubstr("is desired already"));
  EXPECT_THAT(again.output, HasSubstr("computed in container"));  // the task's result
  EXPECT_EQ(instance_guids(cluster), guids);

  EXPECT_FALSE(traces_of(cluster.settings()).empty());
  cluster.stop();
  EXPECT_THAT(traces_of(cluster.settings()), IsEmpty());

  // The state was kept: the application comes back by itself.
  ClusterUnderTest back = ClusterUnderTest::start(directory.path(), true);
  EXPECT_EQ(instance_guids(back).size(), 2u);
  back.stop();
  EXPECT_THAT(traces_of(back.settings()), IsEmpty());
}

// Certificates as they were before they had roles: for both uses, and the operator's without a unit of its own.
void put_old_certificates(const cluster::Settings& settings) {
  auto authority = net::CertificateAuthority::load(
      {base::read_file(settings.certs_dir() / "ca.crt"), base::read_file(settings.certs_dir() / "ca.key")});
  for (const std::string component :
       {"locket", "bbs", "auctioneer", "rep", "route-emitter", "gorouter", "nats", "client"}) {
    const net::TlsFiles files = cluster::tls_files(settings, component);
    const net::KeyPair pair = authority.issue({.common_name = component,
                                               .organizational_units = {component},
                                               .dns_names = {component + ".service.cf.internal", "localhost"},
                                               .addresses = {"127.0.0.1", settings.host_address}},
                                              std::chrono::hours(24 * 365));
    base::write_file_atomically(files.key_file, pair.key_pem, 0600);
    base::write_file_atomically(files.certificate_file, pair.certificate_pem);
  }
}

TEST(OneMachine, RenewsCertificatesWithoutRolesAndKeepsApplicationsRunning) {
  const base::TemporaryDirectory directory("rivera-one-machine-");
  ClusterUnderTest cluster = ClusterUnderTest::start(directory.path(), true);
  const auto guids = instance_guids(cluster);
  ASSERT_EQ(guids.size(), 2u);
  const std::string authority = base::read_file(cluster.settings().certs_dir() / "ca.crt");
  put_old_certificates(cluster.settings());
  const auto again = cluster.run_tool({"up"});
  ASSERT_EQ(again.exit_status, 0) << again.output << again.error;
  EXPECT_EQ(instance_guids(cluster), guids);
  EXPECT_EQ(base::read_file(cluster.settings().certs_dir() / "ca.crt"), authority);
  const std::string client = base::read_file(cluster::tls_files(cluster.settings(), "client").certificate_file);
  EXPECT_EQ(net::certificate_subject(client).organizational_units, std::vector<std::string>{"operator"});
  EXPECT_EQ(cluster.cfdot({"cell-states"}).exit_status, 0);
  cluster.stop();
}

base::CommandResult run_rivera(const std::string& command, const fs::path& var) {
  base::CommandOptions options;
  options.timeout = std::chrono::minutes(3);
  return base::run_command({base::bin_dir() + "/rivera", command, "--var", var.string()}, options);
}

// As a user does who wants to begin without the old state.
TEST(OneMachine, IsFoundAndStoppedThoughItsDirectoryWasRemoved) {
  const base::TemporaryDirectory directory("rivera-one-machine-");
  const fs::path var = directory.path() / "var";
  fs::create_directories(var);
  const ClusterUnderTest cluster = ClusterUnderTest::start(var, true);
  std::error_code busy;  // what is mounted below it
  for (const auto& entry : fs::directory_iterator(var)) fs::remove_all(entry.path(), busy);
  ASSERT_FALSE(fs::exists(var / "cluster.json"));
  const auto status = run_rivera("status", var);
  EXPECT_EQ(status.exit_status, 1);
  EXPECT_THAT(status.error, HasSubstr("the cluster that was started here runs, but its files were removed"));
  EXPECT_THAT(status.error, HasSubstr("supervisor (pid "));
  const auto down = run_rivera("down", var);
  EXPECT_EQ(down.exit_status, 0) << down.output << down.error;
  EXPECT_THAT(down.output, HasSubstr("its files were removed"));
  EXPECT_THAT(traces_of(cluster.settings()), IsEmpty());
  const auto again = run_rivera("down", var);
  EXPECT_THAT(again.output, HasSubstr("No cluster has been started here."));
}

TEST(OneMachine, SaysWhoHasAPortItNeeds) {
  // The shared cluster holds its ports: a second one with the same ports fails with an error that says so.
  const cluster::Settings& taken = ClusterUnderTest::shared().settings();
  const base::TemporaryDirectory directory("rivera-one-machine-");
  const auto result = base::run_command({base::bin_dir() + "/rivera", "up", "--var", directory.path().string(),
                                         "--no-sample", "--port-base", std::to_string(taken.ports.base)});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("is in use by "));
  EXPECT_THAT(result.error, HasSubstr("(pid "));
}

TEST(OneMachine, StatusOfNothingSaysSo) {
  const base::TemporaryDirectory directory("rivera-one-machine-");
  const auto result = base::run_command({base::bin_dir() + "/rivera", "status", "--var", directory.path().string()});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("no cluster has been started here"));
}

}  // namespace
}  // namespace rivera::harness
