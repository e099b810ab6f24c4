#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/steps/composite_steps.h"
#include "executor/testing/testing_environment.h"

namespace rivera::executor::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = StepResult::Kind;

class RunActionTest : public StepTest {};

TEST_F(RunActionTest, SucceedsWithStatusZeroAndLogsIt) {
  backend.on_run = [](FakeProcess& process) { process.exit(0, "hello\nworld"); };
  const auto ended = result_of(running(run_action("/bin/app")));
  EXPECT_TRUE(ended.ok());
  EXPECT_TRUE(ready);
  EXPECT_THAT(sink.lines, ElementsAre("APP OUT hello", "APP OUT worldExit status 0"));
}

TEST_F(RunActionTest, FailsWithItsSourceAndStatus) {
  backend.on_run = [](FakeProcess& process) { process.exit(17, "x\n"); };
  const auto ended = result_of(running(run_action("/bin/app", "APP/PROC/WEB")));
  EXPECT_EQ(ended.kind, Kind::kEmittable);
  EXPECT_EQ(ended.text, "APP/PROC/WEB: Exited with status 17");
  EXPECT_TRUE(sink.has("APP/PROC/WEB OUT Exit status 17"));
}

TEST_F(RunActionTest, ReportsThatTheContainerRanOutOfMemory) {
  backend.events = {"Out of memory"};
  backend.on_run = [](FakeProcess& process) { process.exit(137); };
  EXPECT_EQ(result_of(running(run_action("/bin/app"))).text, "APP: Exited with status 137 (out of memory)");
  EXPECT_TRUE(sink.has("Exit status 137 (out of memory)"));
}

TEST_F(RunActionTest, AppendsTheNetworkEnvironmentToThatOfTheProcess) {
  models::RunAction run;
  run.set_path("/bin/app");
  run.add_args("-x");
  run.set_dir("/home");
  run.set_user("root");
  auto* variable = run.add_env();
  variable->set_name("CF_INSTANCE_IP");
  variable->set_value("mine");
  run.mutable_resource_limits()->set_nofile(10);
  start(running(models::wrap(std::move(run))));
  const auto process = started("/bin/app");
  EXPECT_THAT(process->spec.env, ElementsAre("CF_INSTANCE_IP=mine", "CF_INSTANCE_IP=10.0.0.1"));
  EXPECT_THAT(process->spec.args, ElementsAre("-x"));
  EXPECT_EQ(process->spec.dir, "/home");
  EXPECT_EQ(process->spec.user, "root");
  EXPECT_EQ(process->spec.rlimits.nofile, 10u);
  EXPECT_EQ(process->spec.id, "action");
}

TEST_F(RunActionTest, SuppressesOutputButNotTheResult) {
  auto action = run_action("/bin/app");
  action.mutable_run_action()->set_suppress_log_output(true);
  backend.on_run = [](FakeProcess& process) { process.exit(3, "secret"); };
  EXPECT_EQ(result_of(running(action)).text, "APP: Exited with status 3");
  EXPECT_TRUE(sink.lines.empty());
}

TEST_F(RunActionTest, IsReadyWhileTheProcessRuns) {
  start(running(run_action("/bin/app")));
  started("/bin/app");
  EXPECT_TRUE(ready);
  EXPECT_FALSE(result);
}

TEST_F(RunActionTest, EndsAsCancelledWhenInterruptedEvenWithStatusZero) {
  auto& running_step = start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  process->ends_on_term = false;
  running_step.interrupt();
  loop.until([&] { return !process->signals.empty(); });
  process->exit(0);
  EXPECT_EQ(end(), StepResult::cancelled());
  EXPECT_THAT(process->signals, ElementsAre(garden::Signal::kTerminate));
}

TEST_F(RunActionTest, KillsAProcessAfterTheGracefulInterval) {
  auto& running_step = start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  process->ends_on_term = false;
  running_step.interrupt();
  EXPECT_EQ(end().kind, Kind::kGraceExceeded);
  EXPECT_THAT(process->signals, ElementsAre(garden::Signal::kTerminate, garden::Signal::kKill));
  EXPECT_TRUE(sink.has("Exit status 137 (exceeded 50ms graceful shutdown interval)"));
}

TEST_F(RunActionTest, GivesUpOnAProcessThatCannotBeKilled) {
  auto& running_step = start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  process->ends_on_term = process->ends_on_kill = false;
  running_step.interrupt();
  EXPECT_EQ(end(), StepResult::did_not_exit());
}

TEST_F(RunActionTest, IsCancelledBeforeItStarts) {
  auto built = build_steps(environment, info = running(run_action("/bin/app")), {});
  built->interrupt();
  start(std::move(built));
  EXPECT_EQ(end(), StepResult::cancelled());
  EXPECT_TRUE(backend.processes.empty());
}

TEST_F(RunActionTest, FailsWithTheServersErrorIfTheProcessCannotStart) {
  backend.on_run = [](FakeProcess&) {
    throw garden::ExecutableNotFoundError("exec: \"nope\": executable file not found");
  };
  const auto ended = result_of(running(run_action("nope")));
  EXPECT_EQ(ended.kind, Kind::kFailure);
  EXPECT_THAT(ended.text, HasSubstr("executable file not found"));
  EXPECT_TRUE(sink.has("APP OUT failed-creating-process: exec:"));
}

// --- the server goes away ---

TEST_F(RunActionTest, AttachesAgainWhenTheServerAnswersAgain) {
  start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  backend.down();
  loop.until([&] {
    loop.settle();
    return true;
  });
  backend.up();
  loop.until([&] { return process->attached > 0; });
  EXPECT_FALSE(result);
  process->exit(4);
  EXPECT_EQ(end().text, "APP: Exited with status 4");
  EXPECT_EQ(backend.processes.size(), 1u);
}

TEST_F(RunActionTest, NoticesAnExitThatHappenedWhileTheServerWasDown) {
  start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  backend.down();
  process->exit(9);
  loop.settle();
  backend.up();
  EXPECT_EQ(end().text, "APP: Exited with status 9");
}

TEST_F(RunActionTest, SignalsWhenTheServerAnswersAgain) {
  auto& running_step = start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  backend.down();
  running_step.interrupt();
  loop.settle();
  EXPECT_TRUE(process->signals.empty());
  backend.up();
  EXPECT_FALSE(end().ok());
  EXPECT_FALSE(process->signals.empty());
}

TEST_F(RunActionTest, FailsIfTheContainerIsMissing) {
  start(running(run_action("/bin/app")));
  const auto process = started("/bin/app");
  backend.lose("guid");
  process->changed.notify_all();
  EXPECT_EQ(end().text, "missing garden container");
}

TEST_F(RunActionTest, StartsWhenTheServerAnswers) {
  backend.down();
  start(running(run_action("/bin/app")));
  loop.settle();
  EXPECT_TRUE(backend.processes.empty());
  backend.up();
  started("/bin/app")->exit(0);
  EXPECT_TRUE(end().ok());
  EXPECT_EQ(backend.processes.size(), 1u);
}

// --- steps of steps ---

models::Action serial(std::vector<models::Action> actions) {
  models::SerialAction out;
  for (auto& a : actions) *out.add_actions() = std::move(a);
  return models::wrap(std::move(out));
}
models::Action parallel(std::vector<models::Action> actions) {
  models::ParallelAction out;
  for (auto& a : actions) *out.add_actions() = std::move(a);
  return models::wrap(std::move(out));
}
models::Action codependent(std::vector<models::Action> actions) {
  models::CodependentAction out;
  for (auto& a : actions) *out.add_actions() = std::move(a);
  return models::wrap(std::move(out));
}
models::Action timeout(models::Action action, int ms) {
  models::TimeoutAction out;
  *out.mutable_action() = std::move(action);
  out.set_timeout_ms(ms);
  return models::wrap(std::move(out));
}

class CompositeTest : public StepTest {
 protected:
  // Each process whose path is a number exits with it at once; the others run until they are signalled.
  CompositeTest() {
    backend.on_run = [](FakeProcess& process) {
      if (std::isdigit(static_cast<unsigned char>(process.spec.path[0]))) process.exit(std::stoi(process.spec.path));
    };
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> all;
    for (const auto& process : backend.processes) all.push_back(process->spec.path);
    return all;
  }
};

TEST_F(CompositeTest, SerialStopsAtTheFirstFailure) {
  const auto ended = result_of(running(serial({run_action("0"), run_action("3"), run_action("0")})));
  EXPECT_EQ(ended.text, "APP: Exited with status 3");
  EXPECT_THAT(paths(), ElementsAre("0", "3"));
}

TEST_F(CompositeTest, SerialIsReadyWhenItsLastStepIs) {
  start(running(serial({run_action("first"), run_action("last")})));
  started("first");
  EXPECT_FALSE(ready);
  backend.process_of("first")->exit(0);
  started("last");
  EXPECT_TRUE(ready);
}

TEST_F(CompositeTest, ParallelWaitsForAllAndJoinsTheirErrorsInOrder) {
  const auto ended = result_of(running(parallel({run_action("2"), run_action("0"), run_action("1")})));
  EXPECT_EQ(ended.kind, Kind::kAggregate);
  EXPECT_EQ(ended.text, "APP: Exited with status 2; APP: Exited with status 1");
}

TEST_F(CompositeTest, ParallelDoesNotEndTheOthersWhenOneEnds) {
  start(running(parallel({run_action("1"), run_action("stays")})));
  const auto stays = started("stays");
  loop.settle();
  EXPECT_FALSE(result);
  EXPECT_TRUE(stays->signals.empty());
}

TEST_F(CompositeTest, CodependentActionFailsWhenAChildSucceeds) {
  const auto ended = result_of(running(codependent({run_action("stays"), run_action("0")})));
  EXPECT_EQ(ended.text, "Codependent step exited");
  EXPECT_THAT(backend.process_of("stays")->signals, Contains(garden::Signal::kTerminate));
}

TEST_F(CompositeTest, CodependentActionNamesEachChildThatSucceeds) {
  EXPECT_EQ(result_of(running(codependent({run_action("0"), run_action("0")}))).text,
            "Codependent step exited; Codependent step exited");
}

TEST_F(CompositeTest, CodependentActionInterruptsTheOthersAfterAFailure) {
  EXPECT_EQ(result_of(running(codependent({run_action("stays"), run_action("7")}))).text, "APP: Exited with status 7");
}

TEST_F(CompositeTest, TimeoutInterruptsAndNamesItsLimit) {
  const auto ended = result_of(running(timeout(run_action("stays"), 20)));
  EXPECT_EQ(ended.kind, Kind::kEmittable);
  EXPECT_EQ(ended.text, "exceeded 20ms timeout");
}

TEST_F(CompositeTest, TimeoutKeepsAnEarlierResult) {
  EXPECT_TRUE(result_of(running(timeout(run_action("0"), 60'000))).ok());
}

TEST_F(CompositeTest, TryNeverFails) {
  models::TryAction attempt;
  *attempt.mutable_action() = run_action("9");
  EXPECT_TRUE(result_of(running(models::wrap(std::move(attempt)))).ok());
}

TEST_F(CompositeTest, EmitProgressReportsTheResult) {
  models::EmitProgressAction progress;
  *progress.mutable_action() = run_action("9");
  progress.set_start_message("begin");
  progress.set_success_message("good");
  progress.set_failure_message_prefix("bad");
  progress.set_log_source("STG");
  EXPECT_FALSE(result_of(running(models::wrap(std::move(progress)))).ok());
  EXPECT_TRUE(sink.has("STG OUT begin"));
  EXPECT_TRUE(sink.has("STG ERR bad: APP: Exited with status 9"));
  EXPECT_FALSE(sink.has("good"));
}

TEST_F(CompositeTest, EnclosingLogSourceReachesTheChildren) {
  auto action = parallel({run_action("4")});
  action.mutable_parallel_action()->set_log_source("OUTER");
  EXPECT_EQ(result_of(running(action)).text, "OUTER: Exited with status 4");
}

TEST_F(CompositeTest, RunsSetupBeforeTheAction) {
  auto wanted = running(run_action("app"));
  wanted.setup = run_action("setup");
  start(wanted);
  started("setup");
  EXPECT_FALSE(ready);
  EXPECT_EQ(backend.process_of("app"), nullptr);
  backend.process_of("setup")->exit(0);
  started("app");
  EXPECT_TRUE(ready);
}

TEST_F(CompositeTest, EndsWithTheSetupsFailure) {
  auto wanted = running(run_action("app"));
  wanted.setup = run_action("6");
  EXPECT_EQ(result_of(wanted).text, "APP: Exited with status 6");
  EXPECT_EQ(backend.process_of("app"), nullptr);
}

TEST_F(CompositeTest, AStopDuringSetupSucceedsAtOnce) {
  auto wanted = running(run_action("app"));
  wanted.setup = run_action("setup");
  auto& tree = start(wanted);
  started("setup")->ends_on_term = false;
  tree.interrupt();
  EXPECT_TRUE(end().ok());
}

TEST_F(CompositeTest, TheEndOfASidecarEndsTheContainer) {
  auto wanted = running(run_action("app"));
  *wanted.sidecars.emplace_back().mutable_action() = run_action("0");
  EXPECT_FALSE(result_of(wanted).ok());
  EXPECT_THAT(backend.process_of("app")->signals, Contains(garden::Signal::kTerminate));
}

TEST_F(CompositeTest, RefusesAnEmptyAction) { EXPECT_THROW(build_steps(environment, info, {}), std::invalid_argument); }

TEST(StepResultTest, ShowsOnlyWhatIsDisplayableInAnAggregate) {
  const auto joined =
      StepResult::aggregate({StepResult::cancelled(), StepResult::emittable("a"), StepResult::grace_exceeded(),
                             StepResult::success(), StepResult::failure("b"), StepResult::emittable("")});
  EXPECT_EQ(joined.text, "a; b");
  const auto hidden = StepResult::aggregate({StepResult::cancelled()});
  EXPECT_FALSE(hidden.ok());
  EXPECT_EQ(hidden.text, "");
  EXPECT_TRUE(StepResult::aggregate({StepResult::success()}).ok());
}

}  // namespace
}  // namespace rivera::executor::testing
