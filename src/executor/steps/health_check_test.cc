#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/testing/testing_environment.h"

namespace rivera::executor::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// --- the monitor action ---

class MonitorTest : public StepTest {
 protected:
  MonitorTest() {
    backend.on_run = [this](FakeProcess& process) {
      if (process.spec.path != "/bin/check") return;
      ++runs;
      process.exit(healthy ? 0 : 1, healthy ? "" : "no answer\n");
    };
  }
  RunInfo monitored() {
    auto wanted = running(run_action("/bin/app"));
    wanted.monitor = run_action("/bin/check");
    return wanted;
  }
  bool healthy = true;
  int runs = 0;
};

TEST_F(MonitorTest, IsReadyOnlyWhenTheCheckHasSucceeded) {
  healthy = false;
  start(monitored());
  loop.until([this] { return runs >= 3; });
  EXPECT_FALSE(ready);
  healthy = true;
  loop.until([this] { return ready; });
  EXPECT_TRUE(sink.has("APP OUT Starting health monitoring of container"));
  EXPECT_TRUE(sink.has("APP OUT Container became healthy"));
}

TEST_F(MonitorTest, CrashesAfterTheStartTimeout) {
  healthy = false;
  auto wanted = monitored();
  wanted.start_timeout = std::chrono::milliseconds(30);
  const auto ended = result_of(wanted);
  EXPECT_THAT(ended.text, MatchesRegex("Instance never healthy after [0-9]+ms: .*"));
  EXPECT_TRUE(sink.has("startup health check never passed."));
  EXPECT_THAT(backend.process_of("/bin/app")->signals, Contains(garden::Signal::kTerminate));
}

TEST_F(MonitorTest, CrashesAtTheFirstFailureOnceHealthy) {
  start(monitored());
  loop.until([this] { return ready; });
  healthy = false;
  EXPECT_THAT(end().text, HasSubstr("Instance became unhealthy: "));
  EXPECT_TRUE(sink.has("APP ERR Container became unhealthy"));
}

TEST_F(MonitorTest, KeepsCheckingAfterASuccessfulExit) {
  start(monitored());
  loop.until([this] { return ready; });
  backend.process_of("/bin/app")->exit(0);
  const int before = runs;
  loop.until([&] { return runs > before + 3; });
  EXPECT_FALSE(result);
}

TEST_F(MonitorTest, ReportsTheOutputOfParallelChecks) {
  healthy = false;
  auto wanted = running(run_action("/bin/app"));
  models::ParallelAction both;
  *both.add_actions() = run_action("/bin/check");
  wanted.monitor = models::wrap(std::move(both));
  wanted.start_timeout = std::chrono::milliseconds(10);
  EXPECT_THAT(result_of(wanted).text, HasSubstr(": no answer"));
}

TEST_F(MonitorTest, EndsWithTheFailureOfTheAction) {
  start(monitored());
  loop.until([this] { return ready; });
  backend.process_of("/bin/app")->exit(2);
  EXPECT_EQ(end().text, "APP: Exited with status 2");
}

TEST_F(MonitorTest, SkipsTheStartupCheckIfHealthyBeforeARestart) {
  environment.container.origin = Origin::kResumedRunning;
  healthy = false;
  settings.healthy_interval = std::chrono::seconds(60);
  start(monitored());
  loop.until([this] { return ready; });
  EXPECT_EQ(runs, 0);
  EXPECT_FALSE(sink.has("Starting health monitoring"));
}

// --- declarative checks ---

class DeclarativeTest : public StepTest {
 protected:
  RunInfo checked() {
    auto wanted = running(run_action("/bin/app"));
    auto& check = *wanted.check_definition.emplace().add_checks()->mutable_http_check();
    check.set_port(8080);
    check.set_path("/ping");
    check.set_request_timeout_ms(500);
    wanted.start_timeout = std::chrono::seconds(60);
    return wanted;
  }
  FakeProcessPtr process(const std::string& id) {
    loop.until([&] { return backend.process(id) != nullptr; });
    loop.settle();
    return backend.process(id);
  }
};

TEST_F(DeclarativeTest, RunsTheCheckProgramFirstForStartupThenForLiveness) {
  settings.healthy_interval = std::chrono::seconds(30);
  settings.unhealthy_interval = std::chrono::milliseconds(500);
  start(checked());
  const auto startup = process("guid-startup-healthcheck-0");
  EXPECT_EQ(startup->spec.path, "/etc/cf-assets/healthcheck/healthcheck");
  EXPECT_THAT(startup->spec.args, ElementsAre("-port=8080", "-timeout=500ms", "-uri=/ping", "-startup-interval=500ms",
                                              "-startup-timeout=1m0s"));
  EXPECT_EQ(startup->spec.rlimits.nofile, 1024u);
  EXPECT_FALSE(ready);
  startup->exit(0);
  const auto liveness = process("guid-liveness-healthcheck-0");
  EXPECT_TRUE(ready);
  EXPECT_THAT(liveness->spec.args, ElementsAre("-port=8080", "-timeout=500ms", "-uri=/ping", "-liveness-interval=30s"));
}

TEST_F(DeclarativeTest, UsesTheOutputOfTheCheckAsTheReason) {
  start(checked());
  process("guid-startup-healthcheck-0")->exit(4, "failed to make HTTP request\n");
  const auto ended = end();
  EXPECT_THAT(ended.text, MatchesRegex("Instance never healthy after [0-9.ms]+: failed to make HTTP request"));
  EXPECT_TRUE(sink.has("HEALTH ERR failed to make HTTP request"));
  EXPECT_FALSE(sink.has("Exit status 4"));
}

TEST_F(DeclarativeTest, BecomesUnhealthyWhenLivenessEnds) {
  start(checked());
  process("guid-startup-healthcheck-0")->exit(0);
  process("guid-liveness-healthcheck-0")->exit(6, "Liveness check unsuccessful: gone\n");
  EXPECT_EQ(end().text, "Instance became unhealthy: Liveness check unsuccessful: gone");
}

TEST_F(DeclarativeTest, RunsChecksInTheSidecarRootFilesystemIfConfigured) {
  settings.sidecar_rootfs = "/rootfs.tar";
  environment.container.mounts = {{.src_path = "/host", .dst_path = "/etc/cf-assets/healthcheck"}};
  start(checked());
  const auto startup = process("guid-startup-healthcheck-0");
  EXPECT_EQ(startup->spec.image.uri, "/rootfs.tar");
  ASSERT_EQ(startup->spec.bind_mounts.size(), 1u);
  EXPECT_TRUE(startup->spec.limits.has_value());
}

TEST_F(DeclarativeTest, PrefersTheDefinitionToTheMonitor) {
  auto wanted = checked();
  wanted.monitor = run_action("/bin/check");
  start(wanted);
  process("guid-startup-healthcheck-0");
  EXPECT_EQ(backend.process_of("/bin/check"), nullptr);
}

TEST_F(DeclarativeTest, AttachesToTheLivenessCheckAfterARestart) {
  environment.container.origin = Origin::kResumedRunning;
  auto before = std::make_shared<FakeProcess>(loop.executor());
  before->handle = "guid";
  before->spec.id = "guid-liveness-healthcheck-0";
  backend.processes.push_back(before);
  start(checked());
  loop.until([&] { return before->attached == 1; });
  before->exit(6, "Liveness check unsuccessful: gone");
  EXPECT_THAT(end().text, HasSubstr("Liveness check unsuccessful"));
}

TEST_F(DeclarativeTest, FollowsReadinessWithRoutability) {
  auto wanted = checked();
  wanted.check_definition->add_readiness_checks()->mutable_tcp_check()->set_port(8080);
  EXPECT_TRUE(has_readiness_checks(wanted));
  std::vector<FakeProcess*> rounds;
  backend.on_run = [&rounds](FakeProcess& p) {
    if (p.spec.id.find("ready-") != std::string::npos || p.spec.id.find("readiness") != std::string::npos)
      rounds.push_back(&p);
  };
  start(wanted);
  loop.until([&] { return rounds.size() == 1; });
  rounds[0]->exit(0);
  loop.until([&] { return rounds.size() == 2; });
  EXPECT_THAT(routable_changes, ElementsAre(true));
  rounds[1]->exit(4);
  loop.until([&] { return rounds.size() == 3; });
  EXPECT_THAT(routable_changes, ElementsAre(true, false));
  EXPECT_FALSE(result);
  EXPECT_TRUE(sink.has("HEALTH OUT Container passed the readiness health check."));
}

TEST_F(DeclarativeTest, ContinuesWithReadinessIfRoutableBeforeARestart) {
  environment.container.origin = Origin::kResumedRunning;
  environment.container.was_routable = true;
  auto wanted = checked();
  wanted.check_definition->add_readiness_checks()->mutable_tcp_check()->set_port(8080);
  std::vector<FakeProcess*> rounds;
  backend.on_run = [&rounds](FakeProcess& p) {
    if (p.spec.id.find("ready") != std::string::npos || p.spec.id.find("readiness") != std::string::npos)
      rounds.push_back(&p);
  };
  start(wanted);
  loop.until([&] { return rounds.size() == 1; });
  EXPECT_THAT(rounds[0]->spec.id, HasSubstr("-readiness-"));
  rounds[0]->exit(4);
  loop.until([&] { return rounds.size() == 2; });
  EXPECT_THAT(rounds[1]->spec.id, HasSubstr("-until-ready-"));
  EXPECT_THAT(routable_changes, ElementsAre(false));
}

// --- failures of the platform ---

TEST_F(DeclarativeTest, ReplacesACheckThatTheServerLost) {
  start(checked());
  process("guid-startup-healthcheck-0")->exit(0);
  process("guid-liveness-healthcheck-0");
  FakeProcess* second = nullptr;
  backend.on_run = [&second](FakeProcess& p) { second = &p; };
  backend.forget_process("guid-liveness-healthcheck-0");
  loop.until([&] { return second != nullptr; });
  EXPECT_THAT(second->spec.id, HasSubstr("guid-liveness-healthcheck-0-"));
  EXPECT_FALSE(result);
  second->exit(6, "Liveness check unsuccessful: gone");
  EXPECT_EQ(end().text, "Instance became unhealthy: Liveness check unsuccessful: gone");
}

TEST_F(DeclarativeTest, WaitsForAServerThatCannotRunAReadinessCheck) {
  auto wanted = checked();
  wanted.check_definition->add_readiness_checks()->mutable_tcp_check()->set_port(8080);
  start(wanted);
  process("guid-startup-healthcheck-0");
  loop.until([&] { return backend.processes.size() == 3; });
  backend.run_error = "no space left on device";
  backend.processes.back()->exit(0);  // until-ready
  loop.until([&] { return routable_changes.size() == 1; });
  loop.settle();
  backend.run_error.clear();
  loop.until([&] { return backend.processes.size() == 4; });
  EXPECT_THAT(routable_changes, ElementsAre(true));
}

TEST_F(MonitorTest, DoesNotCountACheckThatTheServerCouldNotRun) {
  start(monitored());
  loop.until([this] { return ready; });
  backend.run_error = "no space left on device";
  const int before = runs;
  loop.run(base::sleep_for(settings.healthy_interval * 5));
  EXPECT_FALSE(result);
  EXPECT_EQ(runs, before);
  backend.run_error.clear();
  loop.until([&] { return runs > before; });
  healthy = false;
  EXPECT_THAT(end().text, HasSubstr("Instance became unhealthy: "));
}

TEST_F(MonitorTest, DoesNotCountATimeoutWhileTheServerIsAway) {
  auto wanted = monitored();
  models::TimeoutAction timeout;
  *timeout.mutable_action() = run_action("/bin/check");
  timeout.set_timeout_ms(10);
  models::ParallelAction both;
  *both.add_actions() = models::wrap(std::move(timeout));
  wanted.monitor = models::wrap(std::move(both));
  start(wanted);
  loop.until([this] { return ready; });
  backend.down();
  loop.run(base::sleep_for(std::chrono::milliseconds(60)));
  backend.up();
  const int before = runs;
  loop.until([&] { return runs > before + 1; });
  EXPECT_FALSE(result);
  EXPECT_TRUE(backend.process_of("/bin/app")->signals.empty());
}

TEST_F(MonitorTest, FailsIfTheProgramOfTheCheckDoesNotExist) {
  start(monitored());
  loop.until([this] { return ready; });
  backend.executable_is_missing = true;
  EXPECT_THAT(end().text, HasSubstr("Instance became unhealthy: "));
}

// --- the proxy ---

class ProxiedTest : public DeclarativeTest {
 protected:
  ProxiedTest() {
    proxy.enabled = true;
    environment.container.proxy = &proxy;
    environment.container.proxy_ports = {61001, 61443};
  }
  ProxyOptions proxy;
};

TEST_F(ProxiedTest, IsReadyWhenTheProxyAnswersOnEachPort) {
  settings.unhealthy_interval = std::chrono::milliseconds(500);
  start(checked());
  const auto proxy_process = process("guid-envoy");
  EXPECT_EQ(proxy_process->spec.path, "/etc/cf-assets/envoy/proxy");
  EXPECT_THAT(proxy_process->spec.env, Contains("CF_INSTANCE_IP=10.0.0.1"));
  process("guid-startup-healthcheck-0")->exit(0);
  process("guid-envoy-startup-healthcheck-0")->exit(0);
  const auto last = process("guid-envoy-startup-healthcheck-1");
  EXPECT_THAT(last->spec.args,
              ElementsAre("-port=61443", "-timeout=1000ms", "-startup-interval=500ms", "-startup-timeout=1m0s"));
  EXPECT_FALSE(ready);
  last->exit(0);
  loop.until([this] { return ready; });
  process("guid-liveness-healthcheck-0");
  EXPECT_EQ(backend.process("guid-envoy-liveness-healthcheck-0"), nullptr);
}

TEST_F(ProxiedTest, NamesTheProxyThatNeverAnswers) {
  start(checked());
  process("guid-startup-healthcheck-0")->exit(0);
  process("guid-envoy-startup-healthcheck-0")->exit(0);
  process("guid-envoy-startup-healthcheck-1")->exit(4, "connection refused");
  EXPECT_THAT(end().text,
              MatchesRegex("Instance never healthy after .*: instance proxy failed to start: connection refused"));
}

TEST_F(ProxiedTest, ChecksTheProxyBesideTheMonitorAction) {
  auto wanted = running(run_action("/bin/app"));
  wanted.monitor = run_action("/bin/check");
  backend.on_run = [](FakeProcess& p) {
    if (p.spec.path == "/bin/check") p.exit(0);
  };
  start(wanted);
  process("guid-envoy-startup-healthcheck-0")->exit(0);
  EXPECT_FALSE(ready);
  process("guid-envoy-startup-healthcheck-1")->exit(0);
  loop.until([this] { return ready; });
}

TEST_F(ProxiedTest, ChecksNothingWithoutChecksOfTheApplication) {
  start(running(run_action("/bin/app")));
  process("guid-envoy");
  loop.until([this] { return ready; });
  EXPECT_EQ(backend.process("guid-envoy-startup-healthcheck-0"), nullptr);
}

TEST_F(ProxiedTest, ChecksLivenessIfConfigured) {
  proxy.checks_liveness = true;
  proxy.liveness_interval = std::chrono::seconds(7);
  start(checked());
  process("guid-startup-healthcheck-0")->exit(0);
  process("guid-envoy-startup-healthcheck-0")->exit(0);
  process("guid-envoy-startup-healthcheck-1")->exit(0);
  const auto liveness = process("guid-envoy-liveness-healthcheck-0");
  EXPECT_THAT(liveness->spec.args, ElementsAre("-port=61001", "-timeout=1000ms", "-liveness-interval=7s"));
  liveness->exit(4, "gone");
  EXPECT_EQ(end().text, "Instance became unhealthy: instance proxy health check failed: gone");
}

TEST_F(ProxiedTest, EndsWithItsProxy) {
  start(running(run_action("/bin/app")));
  process("guid-envoy")->exit(127);
  EXPECT_EQ(end().text, "PROXY: Exited with status 127");
  EXPECT_THAT(backend.process_of("/bin/app")->signals, Contains(garden::Signal::kTerminate));
}

TEST_F(ProxiedTest, LeavesTheProxyRunningWhenTheApplicationEnds) {
  start(running(run_action("/bin/app")));
  const auto proxy_process = process("guid-envoy");
  started("/bin/app")->exit(3);
  EXPECT_EQ(end().text, "APP: Exited with status 3");
  EXPECT_TRUE(proxy_process->signals.empty());
}

}  // namespace
}  // namespace rivera::executor::testing
