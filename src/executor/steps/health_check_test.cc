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

}  // namespace
}  // namespace rivera::executor::testing
