#include "executor/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/container/errors.h"
#include "executor/testing/testing_executor.h"

namespace rivera::executor::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(ExecutorTest, AllocatesUpToItsCapacity) {
  EXPECT_EQ(executor->total(), (Resources{1000, 2000, 10}));
  const auto failures =
      executor->allocate({request("a", 600), request("b", 600), request("a", 1), request(""), request("../x")});
  ASSERT_EQ(failures.size(), 4u);
  EXPECT_EQ(failures[0].reason, kInsufficientResources);
  EXPECT_EQ(failures[1].reason, kGuidNotAvailable);
  EXPECT_EQ(failures[2].reason, kGuidNotSpecified);
  EXPECT_EQ(failures[3].reason, kGuidNotAvailable);
  EXPECT_EQ(executor->remaining(), (Resources{400, 1990, 9}));
  EXPECT_EQ(count(EventKind::kReserved), 1);
}

TEST_F(ExecutorTest, RunsAContainerToItsEnd) {
  run("a");
  await_state("a", ContainerState::kRunning);
  const auto container = *executor->get("a");
  EXPECT_EQ(container.external_ip, "10.0.0.1");
  EXPECT_EQ(container.internal_ip, "10.254.0.2");
  EXPECT_EQ(container.ports, (std::vector<PortMapping>{{8080, 60001, 0, 0}}));
  EXPECT_TRUE(container.routable);
  EXPECT_EQ(count(EventKind::kRunning), 1);
  const auto& spec = backend.containers_made.at("a");
  EXPECT_EQ(spec.image.uri, "/rootfs");
  EXPECT_EQ(spec.properties.at("executor:owner"), "us");

  backend.process_of("/bin/app")->exit(3);
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(
      executor->get("a")->run_result,
      (RunResult{.failed = true, .failure_reason = "APP: Exited with status 3", .retryable = false, .stopped = false}));
  EXPECT_EQ(count(EventKind::kComplete), 1);
  EXPECT_EQ(executor->remaining().containers, 9);

  loop.run(executor->destroy("a"));
  EXPECT_FALSE(executor->contains("a"));
  EXPECT_THAT(backend.destroyed, ElementsAre("a"));
  EXPECT_EQ(executor->remaining(), (Resources{1000, 2000, 10}));
  EXPECT_TRUE(log.has("APP OUT Cell cell-1 successfully created container for instance a"));
  EXPECT_TRUE(log.has("APP OUT Cell cell-1 successfully destroyed container for instance a"));
}

TEST_F(ExecutorTest, SucceedsWhenTheProcessSucceeds) {
  backend.on_run = [](FakeProcess& process) { process.exit(0); };
  run("a");
  await_state("a", ContainerState::kCompleted);
  EXPECT_FALSE(executor->get("a")->run_result.failed);
}

TEST_F(ExecutorTest, StopsAContainerWithoutDestroyingIt) {
  run("a");
  await_state("a", ContainerState::kRunning);
  executor->stop("a");
  executor->stop("a");
  await_state("a", ContainerState::kCompleted);
  EXPECT_TRUE(executor->get("a")->run_result.stopped);
  EXPECT_TRUE(backend.containers_made.contains("a"));
  EXPECT_TRUE(log.has("Cell cell-1 stopping instance a"));
}

TEST_F(ExecutorTest, CompletesAStoppedReservation) {
  executor->allocate({request("a")});
  executor->stop("a");
  EXPECT_EQ(
      executor->get("a")->run_result,
      (RunResult{.failed = true, .failure_reason = "stopped-before-running", .retryable = false, .stopped = true}));
  EXPECT_THROW(executor->run(run_of("a")), InvalidStateTransition);
  EXPECT_THROW(executor->stop("unknown"), ContainerNotFound);
}

TEST_F(ExecutorTest, ReportsAFailedCreationAsRetryable) {
  backend.create_error = "no image";
  run("a");
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result, (RunResult{.failed = true,
                                                       .failure_reason = "failed to create container: no image",
                                                       .retryable = true,
                                                       .stopped = false}));
  EXPECT_TRUE(log.has("APP ERR Cell cell-1 failed to create container for instance a: no image"));
}

TEST_F(ExecutorTest, FailsRetryablyWithoutItsCachedDependencies) {
  auto wanted = run_of("a");
  auto& dependency = wanted.run_info.cached_dependencies.emplace_back();
  dependency.set_from("http://127.0.0.1:1/x");
  dependency.set_to("/x");
  dependency.set_name("thing");
  executor->allocate({request("a")});
  executor->run(std::move(wanted));
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "failed to download cached artifacts");
  EXPECT_TRUE(executor->get("a")->run_result.retryable);
  EXPECT_TRUE(log.has("APP OUT Downloading thing failed"));
  EXPECT_EQ(backend.creations, 0);
}

TEST_F(ExecutorTest, CreatesAContainerWhenGardenAnswersAgain) {
  executor->allocate({request("a")});
  backend.down();
  executor->run(run_of("a"));
  loop.settle();
  EXPECT_EQ(state("a"), ContainerState::kInitializing);
  backend.up();
  await_state("a", ContainerState::kRunning);
}

TEST_F(ExecutorTest, CompletesAContainerThatIsMissingInGarden) {
  run("a");
  await_state("a", ContainerState::kRunning);
  backend.lose("a");
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "missing garden container");
}

TEST_F(ExecutorTest, ReapsUnknownContainers) {
  garden::ContainerSpec unknown;
  unknown.handle = "unknown";
  unknown.properties = {{"executor:owner", "us"}};
  garden::ContainerSpec anothers = unknown;
  anothers.handle = "anothers";
  anothers.properties = {{"executor:owner", "them"}};
  backend.containers_made = {{"unknown", unknown}, {"anothers", anothers}};
  loop.until([this] { return !backend.destroyed.empty(); });
  EXPECT_THAT(backend.destroyed, ElementsAre("unknown"));
  EXPECT_TRUE(backend.containers_made.contains("anothers"));
}

TEST_F(ExecutorTest, ExpiresUnusedReservations) {
  end();
  reserved_expiration = std::chrono::milliseconds(30);
  begin();
  executor->allocate({request("a")});
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "expired container");
}

TEST_F(ExecutorTest, SecondDestroyWaitsForTheFirst) {
  run("a");
  await_state("a", ContainerState::kRunning);
  backend.destroy_hangs = true;
  base::TaskGroup group(loop.executor(), logger);
  group.spawn("first", executor->destroy("a"));
  group.spawn("second", executor->destroy("a"));
  loop.settle();
  EXPECT_TRUE(executor->contains("a"));
  EXPECT_EQ(executor->remaining().containers, 9);
  backend.destroy_hangs = false;
  loop.until([&] { return group.size() == 0; });
  EXPECT_FALSE(executor->contains("a"));
  EXPECT_THAT(backend.destroyed, ElementsAre("a"));
}

TEST_F(ExecutorTest, DoesNotDestroyAContainerAfterDetaching) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.run(executor->detach());
  EXPECT_THROW(loop.run(executor->destroy("a")), ExecutorError);
  EXPECT_TRUE(executor->contains("a"));
  EXPECT_THAT(backend.destroyed, ElementsAre());
}

TEST_F(ExecutorTest, UpdatesTagsAndRoutesWhileItRuns) {
  run("a");
  await_state("a", ContainerState::kRunning);
  executor->update("a", {.internal_routes = std::vector<std::string>{"x.internal"},
                         .metric_tags = std::map<std::string, std::string>{{"k", "v"}}});
  loop.until([this] {
    return backend.containers_made.at("a").properties.at("log_config").find("\"k\"") != std::string::npos;
  });
  EXPECT_THAT(executor->get("a")->run_info.internal_routes, ElementsAre("x.internal"));
  EXPECT_EQ(executor->get("a")->run_info.metrics_config.tags.at("k"), "v");
}

TEST_F(ExecutorTest, ReadsAFileUpToALimit) {
  run("a");
  await_state("a", ContainerState::kRunning);
  std::string header(512, '\0');
  header.replace(0, 6, "result");
  header.replace(124, 12, "00000000005 ");
  header[156] = '0';
  header.replace(257, 6, std::string("ustar\0", 6));
  backend.files["/result"] = header + "hello" + std::string(507 + 1024, '\0');
  EXPECT_EQ(loop.run(executor->read_file("a", "/result", 5)), "hello");
  EXPECT_THROW(loop.run(executor->read_file("a", "/result", 4)), std::length_error);
  EXPECT_THROW(loop.run(executor->read_file("a", "/nothing", 4)), garden::GardenError);
}

TEST_F(ExecutorTest, AddsTheSizeOfTheRootFilesystemToTheDiskLimit) {
  const auto rootfs = (directory.path() / "rootfs.tar").string();
  base::write_file_atomically(rootfs, "x");
  stacks = {{"busybox", rootfs}};
  restart();
  EXPECT_EQ(backend.creations, 1);
  EXPECT_EQ(executor->rootfs_size(rootfs), 4u << 20);
  EXPECT_TRUE(backend.containers_made.empty());
  executor->allocate({request("a")});
  auto wanted = run_of("a");
  wanted.run_info.rootfs = rootfs;
  executor->run(std::move(wanted));
  await_state("a", ContainerState::kRunning);
  EXPECT_EQ(backend.containers_made.at("a").limits.disk.byte_hard, (10u + 4u) << 20);

  restart();
  EXPECT_EQ(backend.creations, 2) << "the size was measured again";
  EXPECT_EQ(executor->rootfs_size(rootfs), 4u << 20);
}

// --- restarts of our own ---

TEST_F(ExecutorTest, ResumesRunningContainersAfterARestart) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.settle();
  restart();
  await_state("a", ContainerState::kRunning);
  const auto process = backend.process_of("/bin/app");
  loop.until([&] { return process->attached == 1; });
  EXPECT_EQ(backend.processes.size(), 1u);
  EXPECT_TRUE(process->signals.empty());
  EXPECT_EQ(executor->get("a")->ports, (std::vector<PortMapping>{{8080, 60001, 0, 0}}));
  EXPECT_EQ(executor->get("a")->tag("lifecycle"), "lrp");
  EXPECT_EQ(executor->remaining(), (Resources{900, 1990, 9}));
  EXPECT_EQ(backend.creations, 1);

  process->exit(8);
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "APP: Exited with status 8");
}

TEST_F(ExecutorTest, NoticesAnExitThatHappenedDuringARestart) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.settle();
  end();
  backend.process_of("/bin/app")->exit(4);
  events.clear();
  begin();
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "APP: Exited with status 4");
  EXPECT_EQ(count(EventKind::kComplete), 1);
}

TEST_F(ExecutorTest, NoticesAContainerThatDisappearedDuringARestart) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.settle();
  end();
  backend.lose("a");
  begin();
  await_state("a", ContainerState::kCompleted);
  EXPECT_TRUE(executor->get("a")->run_result.lost);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "missing garden container");
}

TEST_F(ExecutorTest, DoesNotRepeatFinishedStepsAfterARestart) {
  auto wanted = run_of("a");
  models::SerialAction both;
  for (const auto* path : {"/bin/first", "/bin/second"}) {
    models::RunAction one;
    one.set_path(path);
    *both.add_actions() = models::wrap(std::move(one));
  }
  wanted.run_info.action = models::wrap(std::move(both));
  executor->allocate({request("a")});
  executor->run(std::move(wanted));
  loop.until([this] { return backend.process_of("/bin/first") != nullptr; });
  backend.process_of("/bin/first")->exit(0);
  loop.until([this] { return backend.process_of("/bin/second") != nullptr; });
  loop.settle();
  restart();
  loop.until([this] { return backend.process_of("/bin/second")->attached == 1; });
  EXPECT_EQ(backend.processes.size(), 2u);
  backend.process_of("/bin/second")->exit(0);
  await_state("a", ContainerState::kCompleted);
  EXPECT_FALSE(executor->get("a")->run_result.failed);
}

TEST_F(ExecutorTest, NeverStartsAProcessTwice) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.settle();
  end();
  backend.processes.clear();  // the server has forgotten it
  begin();
  await_state("a", ContainerState::kCompleted);
  EXPECT_THAT(executor->get("a")->run_result.failure_reason, HasSubstr("lost while the cell's software restarted"));
  EXPECT_TRUE(backend.processes.empty());
}

TEST_F(ExecutorTest, RepeatsAnInterruptedCreation) {
  executor->allocate({request("a")});
  backend.down();
  executor->run(run_of("a"));
  loop.until([this] { return std::filesystem::exists(directory.path() / "state/containers/a.json"); });
  loop.settle();
  end();
  backend.up();
  garden::ContainerSpec half;
  half.handle = "a";
  half.properties = {{"executor:owner", "us"}};
  backend.containers_made["a"] = half;
  begin();
  await_state("a", ContainerState::kRunning);
  EXPECT_THAT(backend.destroyed, Contains("a"));
}

TEST_F(ExecutorTest, ReportsACompletionThatARestartInterrupted) {
  run("a");
  await_state("a", ContainerState::kRunning);
  backend.process_of("/bin/app")->exit(1);
  await_state("a", ContainerState::kCompleted);
  loop.settle();
  loop.until([this] {
    return base::read_file(directory.path() / "state/containers/a.json").find("\"completed\"") != std::string::npos;
  });
  restart();
  EXPECT_EQ(state("a"), ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "APP: Exited with status 1");
  loop.run(executor->destroy("a"));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path() / "state/containers"));
}

TEST_F(ExecutorTest, ContinuesAStopThatARestartInterrupted) {
  run("a");
  await_state("a", ContainerState::kRunning);
  const auto process = backend.process_of("/bin/app");
  process->ends_on_term = process->ends_on_kill = false;
  executor->stop("a");
  loop.until([&] { return !process->signals.empty(); });
  loop.until([this] {
    return base::read_file(directory.path() / "state/containers/a.json").find("\"stopped\":true") != std::string::npos;
  });
  process->signals.clear();
  end();
  process->ends_on_term = true;
  begin();
  await_state("a", ContainerState::kCompleted);
  EXPECT_THAT(process->signals, Contains(garden::Signal::kTerminate));
  EXPECT_TRUE(executor->get("a")->run_result.stopped);
}

TEST_F(ExecutorTest, DestroysAllContainersAtStartIfConfigured) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.settle();
  end();
  readopt = false;
  begin();
  EXPECT_FALSE(executor->contains("a"));
  EXPECT_THAT(backend.destroyed, ElementsAre("a"));
}

TEST_F(ExecutorTest, DoesNotChargeAProcessThatWasLostToTheApplication) {
  run("a");
  await_state("a", ContainerState::kRunning);
  loop.settle();
  end();
  backend.forget_process("action");
  begin();
  await_state("a", ContainerState::kCompleted);
  EXPECT_TRUE(executor->get("a")->run_result.lost);
  EXPECT_TRUE(executor->get("a")->run_result.failed);
}

TEST_F(ExecutorTest, KeepsWhatReadinessChecksSayBeforeTheContainerRuns) {
  ASSERT_THAT(executor->allocate({request("a")}), IsEmpty());
  auto wanted = run_of("a");
  auto& checks = wanted.run_info.check_definition.emplace();
  checks.add_checks()->mutable_tcp_check()->set_port(8080);
  checks.add_readiness_checks()->mutable_tcp_check()->set_port(8080);
  FakeProcess* startup = nullptr;
  FakeProcess* until_ready = nullptr;
  FakeProcess* readiness = nullptr;
  backend.on_run = [&](FakeProcess& p) {
    const auto& id = p.spec.id;
    if (id.find("-startup-") != std::string::npos) startup = &p;
    if (id.find("-until-ready-") != std::string::npos) until_ready = &p;
    if (id.find("-readiness-") != std::string::npos) readiness = &p;
  };
  executor->run(std::move(wanted));
  loop.until([&] { return startup && until_ready; });
  until_ready->exit(0);
  loop.until([&] { return readiness != nullptr; });
  EXPECT_FALSE(executor->get("a")->routable);
  startup->exit(0);
  await_state("a", ContainerState::kRunning);
  EXPECT_TRUE(executor->get("a")->routable);
}

TEST_F(ExecutorTest, RepairsTheTextOfAContainer) {
  run("a");
  await_state("a", ContainerState::kRunning);
  std::string header(512, '\0');
  header.replace(0, 6, "result");
  header.replace(124, 11, "00000000003");
  header[156] = '0';
  header.replace(257, 5, "ustar");
  backend.files["/result"] = header + std::string("a\0\xFF", 3) + std::string(1533, '\0');
  EXPECT_EQ(loop.run(executor->read_file("a", "/result", 100)), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  backend.run_error.clear();
  backend.process_of("/bin/app")->exit(1);
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(storable_text(std::string_view("x\0y", 3)), "x\xEF\xBF\xBDy");
}

TEST_F(ExecutorTest, RepairsTheReasonOfAFailure) {
  backend.create_error = "bad \xFF byte";
  run("a");
  await_state("a", ContainerState::kCompleted);
  EXPECT_EQ(executor->get("a")->run_result.failure_reason, "failed to create container: bad \xEF\xBF\xBD byte");
}

TEST_F(ExecutorTest, CountsOnlyContainersWhoseWorkEnded) {
  const char* const counter = "container_completed_count";
  ASSERT_THAT(executor->allocate({request("reserved")}), IsEmpty());
  executor->stop("reserved");
  EXPECT_THAT(metrics.prometheus_text(), Not(HasSubstr(counter)));
  run("a");
  await_state("a", ContainerState::kRunning);
  backend.process_of("/bin/app")->exit(0);
  await_state("a", ContainerState::kCompleted);
  EXPECT_THAT(metrics.prometheus_text(), HasSubstr(counter));
}

TEST_F(ExecutorTest, MeasuresTheSetupOfEveryContainer) {
  run("a");
  await_state("a", ContainerState::kRunning);
  EXPECT_THAT(metrics.prometheus_text(), HasSubstr("container_setup_succeeded_duration"));
  EXPECT_THAT(metrics.prometheus_text(), Not(HasSubstr("container_setup_failed_duration")));
  auto failing = run_of("b");
  auto& dependency = failing.run_info.cached_dependencies.emplace_back();
  dependency.set_from("http://127.0.0.1:1/x");  // without a cache key
  ASSERT_THAT(executor->allocate({request("b")}), IsEmpty());
  executor->run(std::move(failing));
  await_state("b", ContainerState::kCompleted);
  EXPECT_THAT(metrics.prometheus_text(), HasSubstr("container_setup_failed_duration"));
}

}  // namespace
}  // namespace rivera::executor::testing
