// Certificates and proxies of the containers of an executor.
#include <gmock/gmock.h>

#include "base/files.h"
#include "executor/testing/testing_executor.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::executor::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class IdentityTest : public ExecutorTest {
 protected:
  IdentityTest() {
    const auto ca = net::CertificateAuthority::make("ca", std::chrono::hours(48)).pair();
    base::write_file_atomically(directory.path() / "ca.pem", ca.certificate_pem);
    base::write_file_atomically(directory.path() / "ca.key", ca.key_pem);
    identity = {.directory = directory.path() / "creds",
                .ca_file = (directory.path() / "ca.pem").string(),
                .key_file = (directory.path() / "ca.key").string(),
                .spare_keys = 1};
    proxy.enabled = true;
    proxy.memory_mb = 32;
    proxy.config_directory = directory.path() / "proxies";
    proxy.reload_duration = std::chrono::milliseconds(1);
    restart();
  }
  void run_proxied(const std::string& guid) {
    ASSERT_THAT(executor->allocate({request(guid)}), IsEmpty());
    auto wanted = run_of(guid);
    wanted.run_info.enable_container_proxy = true;
    executor->run(std::move(wanted));
    await_state(guid, ContainerState::kRunning);
  }
};

TEST_F(IdentityTest, IsThereBeforeTheFirstProcess) {
  bool was_there = false;
  const auto certificate = directory.path() / "creds/a/instance.crt";
  backend.on_run = [&](FakeProcess&) { was_there = std::filesystem::exists(certificate); };
  run_proxied("a");
  EXPECT_TRUE(was_there);
  EXPECT_THAT(net::certificate_names(base::read_file(certificate)), ElementsAre("a", "10.254.0.2"));
  const auto& spec = backend.containers_made.at("a");
  EXPECT_THAT(spec.env, Contains("CF_INSTANCE_CERT=/etc/cf-instance-credentials/instance.crt"));
  ASSERT_EQ(spec.bind_mounts.size(), 3u);
  EXPECT_EQ(spec.bind_mounts[2].src_path, (directory.path() / "creds/a").string());
  EXPECT_EQ(executor->get("a")->ports,
            (std::vector<PortMapping>{{8080, 60001, 61001, 60002}, {8080, 60001, 61443, 0}}));
  EXPECT_NE(backend.process("a-envoy"), nullptr);
  EXPECT_EQ(executor->proxy_memory_mb(*executor->get("a")), 32);
  loop.run(executor->destroy("a"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "creds/a"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "proxies/a"));
}

TEST_F(IdentityTest, LosesItsNameBeforeTheApplicationIsSignalled) {
  run_proxied("a");
  const auto app = backend.process_of("/bin/app");
  executor->stop("a");
  loop.until([&] {
    return net::certificate_subject(base::read_file(directory.path() / "proxies/a/id.pem")).common_name.empty() ||
           !app->signals.empty();
  });
  EXPECT_TRUE(app->signals.empty());
  await_state("a", ContainerState::kCompleted);
  EXPECT_TRUE(executor->get("a")->run_result.stopped);
  EXPECT_THAT(app->signals, Contains(garden::Signal::kTerminate));
  EXPECT_TRUE(backend.process("a-envoy")->signals.empty());
}

TEST_F(IdentityTest, SurvivesARestart) {
  run_proxied("a");
  const auto before = base::read_file(directory.path() / "creds/a/instance.crt");
  loop.settle();
  restart();
  loop.until([&] { return backend.process("a-envoy")->attached == 1; });
  EXPECT_EQ(base::read_file(directory.path() / "creds/a/instance.crt"), before);
  EXPECT_EQ(state("a"), ContainerState::kRunning);
}

TEST_F(IdentityTest, EndsTheContainerIfThereIsNoFirstCertificate) {
  proxy.ads_addresses = {"nohost"};
  proxy.is_envoy = true;
  restart();
  ASSERT_THAT(executor->allocate({request("a")}), IsEmpty());
  auto wanted = run_of("a");
  wanted.run_info.enable_container_proxy = true;
  executor->run(std::move(wanted));
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason,
            "cred-manager-runner exited: ads server address is invalid: nohost");
  EXPECT_FALSE(executor->get("a")->run_result.retryable);
  EXPECT_TRUE(backend.processes.empty());
}

}  // namespace
}  // namespace rivera::executor::testing
