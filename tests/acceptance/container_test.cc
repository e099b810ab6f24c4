// What a process finds in its container: files, environment, users, limits, network.
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"
#include "models/nouns/actions.h"

namespace rivera::harness {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Container : public ::testing::Test {
 protected:
  // Runs a task that writes what it finds to its result file.
  std::string result_of(const std::string& script) {
    const models::Task task =
        run_task(cluster_, guid_, a_task(cluster_, guid_, "( " + script + " ) > /tmp/result 2>&1"));
    return task.failed() ? "failed: " + task.failure_reason() : task.result();
  }

  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const std::string guid_ = unique_guid("container");
};

TEST_F(Container, AnInstanceKnowsItselfFromItsEnvironment) {
  models::DesiredLRP lrp = a_web_app(cluster_, guid_, 1);
  auto* variable = lrp.add_environment_variables();
  variable->set_name("GREETING");
  variable->set_value("hello, \"world\" $HOME");
  const RunningApp app(cluster_, lrp);
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  const models::ActualLRP instance = app.instance(0);
  const auto& port = instance.actual_lrp_net_info().ports(0);
  const std::string env = cluster_.get(app.hostname(), "/cgi-bin/env").body;
  EXPECT_THAT(env, HasSubstr("INSTANCE_INDEX=0\n"));
  EXPECT_THAT(env, HasSubstr("CF_INSTANCE_INDEX=0\n"));
  EXPECT_THAT(env, HasSubstr("INSTANCE_GUID=" + instance.actual_lrp_instance_key().instance_guid() + "\n"));
  EXPECT_THAT(env, HasSubstr("CF_INSTANCE_IP=" + cluster_.settings().host_address + "\n"));
  EXPECT_THAT(env, HasSubstr("CF_INSTANCE_INTERNAL_IP=" + instance.actual_lrp_net_info().instance_address() + "\n"));
  EXPECT_THAT(env, HasSubstr(fmt::format("CF_INSTANCE_PORT={}\n", port.host_port())));
  EXPECT_THAT(env,
              HasSubstr(fmt::format("CF_INSTANCE_ADDR={}:{}\n", cluster_.settings().host_address, port.host_port())));
  EXPECT_THAT(env,
              HasSubstr(fmt::format("CF_INSTANCE_PORTS=[{{\"external\":{},\"internal\":8080}}]", port.host_port())));
  EXPECT_THAT(env, HasSubstr("GREETING=hello, \"world\" $HOME\n"));
}

TEST_F(Container, DownloadsFromTheFileServerIntoPlace) {
  const std::filesystem::path directory = cluster_.settings().static_dir() / guid_;
  std::filesystem::create_directories(directory);
  const base::TemporaryDirectory content;
  base::write_file_atomically(content.path() / "message", "from the file server\n");
  base::must_run({"tar", "-czf", (directory / "package.tgz").string(), "-C", content.path().string(), "message"});
  const std::string digest = base::must_run({"sha256sum", (directory / "package.tgz").string()}).substr(0, 64);

  models::DownloadAction download;
  download.set_from(fmt::format("{}/v1/static/{}/package.tgz", cluster_.settings().file_server_url(), guid_));
  download.set_to("/home/vcap/downloaded");
  download.set_user("vcap");
  download.set_checksum_algorithm("sha256");
  download.set_checksum_value(digest);
  models::TaskDefinition task = a_task(cluster_, guid_, "cat /home/vcap/downloaded/message > /tmp/result");
  models::SerialAction both;
  *both.add_actions() = models::wrap(std::move(download));
  *both.add_actions() = task.action();
  *task.mutable_action() = models::wrap(std::move(both));
  const models::Task done = run_task(cluster_, guid_, task);
  EXPECT_FALSE(done.failed()) << done.failure_reason();
  EXPECT_EQ(done.result(), "from the file server\n");
}

TEST_F(Container, ADownloadWithAnotherChecksumFailsTheTask) {
  const std::filesystem::path directory = cluster_.settings().static_dir() / guid_;
  std::filesystem::create_directories(directory);
  base::must_run({"tar", "-czf", (directory / "package.tgz").string(), "-C", "/etc", "hostname"});
  models::DownloadAction download;
  download.set_from(fmt::format("{}/v1/static/{}/package.tgz", cluster_.settings().file_server_url(), guid_));
  download.set_to("/home/vcap");
  download.set_user("vcap");
  download.set_checksum_algorithm("sha256");
  download.set_checksum_value(std::string(64, '0'));
  models::TaskDefinition task = a_task(cluster_, guid_, "true");
  *task.mutable_action() = models::wrap(std::move(download));
  EXPECT_TRUE(run_task(cluster_, guid_, task).failed());
}

TEST_F(Container, TheProcessIsItsUserAndSeesItsOwnProcessesOnly) {
  const std::string result = result_of("id -u; id -un; ps -o pid | wc -l; pwd");
  EXPECT_THAT(result, HasSubstr("2000\nvcap\n"));
  EXPECT_THAT(result, Not(HasSubstr("root")));
  EXPECT_THAT(result, HasSubstr("/home/vcap"));
}

TEST_F(Container, RootInsideHasNoRightsOutside) {
  models::TaskDefinition task = a_task(cluster_, guid_, "");
  auto* run = task.mutable_action()->mutable_run_action();
  run->set_user("root");
  run->set_args(1, "(id -u; cat /proc/self/uid_map; mount -t tmpfs none /mnt 2>&1 || echo no mount) > /tmp/result");
  const models::Task done = run_task(cluster_, guid_, task);
  ASSERT_FALSE(done.failed()) << done.failure_reason();
  EXPECT_THAT(done.result(), HasSubstr("0\n"));
  EXPECT_THAT(done.result(), Not(HasSubstr("         0          0 4294967295")));  // not the host's ids
  EXPECT_THAT(done.result(), HasSubstr("no mount"));
}

TEST_F(Container, DoesNotReachTheHostsServices) {
  const std::string host = cluster_.settings().host_address;
  const std::string result = result_of(
      fmt::format("nc -w 2 {} {} < /dev/null > /dev/null 2>&1 && echo bbs reached || echo bbs refused; route -n", host,
                  cluster_.settings().ports.bbs()));
  EXPECT_THAT(result, HasSubstr("bbs refused"));
  EXPECT_THAT(result, HasSubstr("0.0.0.0"));  // a default route
}

TEST_F(Container, OneReachesAnotherThroughItsHostPortIfItsRulesOpenIt) {
  const RunningApp app(cluster_, a_web_app(cluster_, unique_guid("target"), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  const models::ActualLRPNetInfo net = app.instance(0).actual_lrp_net_info();
  const std::string fetch = fmt::format("timeout 5 wget -q -O /tmp/result http://{}:{}/ || echo refused > /tmp/result",
                                        net.address(), net.ports(0).host_port());
  const std::string closed = unique_guid("closed");
  EXPECT_THAT(run_task(cluster_, closed, a_task(cluster_, closed, fetch)).result(), HasSubstr("refused"));
  models::TaskDefinition task = a_task(cluster_, guid_, fetch);
  auto* rule = task.add_egress_rules();
  rule->set_protocol("tcp");
  rule->add_destinations(cluster_.settings().network_pool);
  rule->add_ports(8080);
  EXPECT_THAT(run_task(cluster_, guid_, task).result(),
              HasSubstr(app.instance(0).actual_lrp_instance_key().instance_guid()));
}

TEST_F(Container, IsNotPrivilegedUnlessTheClusterAllowsIt) {
  models::TaskDefinition task = a_task(cluster_, guid_, "true");
  task.set_privileged(true);
  const models::Task done = run_task(cluster_, guid_, task);
  EXPECT_TRUE(done.failed());
}

TEST_F(Container, MayHaveOnlySoManyProcesses) {
  const std::string result = result_of("(for i in $(seq 1 100); do sleep 5 & done); true");
  EXPECT_THAT(result, HasSubstr("fork"));  // "can't fork: Resource temporarily unavailable"
}

TEST_F(Container, WritesAreItsOwn) {
  EXPECT_THAT(result_of("echo mine > /home/vcap/file && cat /home/vcap/file"), HasSubstr("mine"));
  const std::string other = unique_guid("other");
  const models::Task second =
      run_task(cluster_, other, a_task(cluster_, other, "ls /home/vcap > /tmp/result; echo end >> /tmp/result"));
  EXPECT_EQ(second.result(), "end\n");
}

}  // namespace
}  // namespace rivera::harness
