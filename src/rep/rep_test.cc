// Tests of the rep's pure functions.
#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/nouns/actions.h"
#include "models/nouns/actual_lrp.h"
#include "models/testing/testing.h"
#include "rep/operations/reconcile.h"
#include "rep/operations/run_request.h"
#include "rep/operations/work_intake.h"
#include "rep/reports/cell_report.h"
#include "rep/settings/root_fs.h"

namespace rivera::rep {
namespace {

using executor::ContainerState;
using models::testing::a_desired_lrp;
using models::testing::a_run_action;
using models::testing::an_actual_lrp;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;

const models::StackPathMap kStacks = {{"cflinuxfs4", "/rootfs.tar"}};

// --- root filesystems ---

TEST(RootFs, IsResolvedAndConvertedBack) {
  EXPECT_EQ(resolve_root_fs("preloaded:cflinuxfs4", kStacks), "/rootfs.tar");
  EXPECT_EQ(resolve_root_fs("preloaded+layer:cflinuxfs4?layer=x", kStacks), "preloaded+layer:/rootfs.tar?layer=x");
  EXPECT_EQ(resolve_root_fs("docker:///busybox", kStacks), "docker:///busybox");
  EXPECT_EQ(resolve_root_fs("", kStacks), "");
  EXPECT_THROW(resolve_root_fs("preloaded:windows", kStacks), RootFsNotFound);
  EXPECT_EQ(unresolve_root_fs("/rootfs.tar", kStacks), "preloaded:cflinuxfs4");
  EXPECT_EQ(unresolve_root_fs("preloaded+layer:/rootfs.tar?layer=x", kStacks), "preloaded+layer:cflinuxfs4?layer=x");
  EXPECT_EQ(unresolve_root_fs("docker:///busybox", kStacks), "docker:///busybox");
}

// --- taking work ---

models::CellLRP an_lrp(const std::string& process, int memory, const std::string& root_fs = "preloaded:cflinuxfs4") {
  models::CellLRP lrp;
  lrp.process_guid = process;
  lrp.domain = "domain";
  lrp.resource.memory_mb = memory;
  lrp.placement.root_fs = root_fs;
  return lrp;
}
models::CellTask a_cell_task(const std::string& guid, int memory) {
  models::CellTask task;
  task.task_guid = guid;
  task.domain = "domain";
  task.resource.memory_mb = memory;
  task.placement.root_fs = "preloaded:cflinuxfs4";
  return task;
}
std::string fixed_guid() { return "01234567-89ab-cdef-0123-456789abcdef"; }

std::vector<std::string> names(const std::vector<models::CellLRP>& lrps) {
  std::vector<std::string> out;
  for (const auto& lrp : lrps) out.push_back(lrp.process_guid);
  return out;
}

TEST(WorkIntake, AcceptsTheLargestFirstAndSmallerOnesThatStillFit) {
  models::Work work;
  work.lrps = std::vector<models::CellLRP>{an_lrp("small", 10), an_lrp("huge", 200), an_lrp("big", 80)};
  const auto intake = accept_work(work, {.remaining_memory_mb = 100, .stacks = kStacks}, fixed_guid);
  ASSERT_EQ(intake.lrps.size(), 2u);
  EXPECT_EQ(intake.lrps[0].lrp.process_guid, "big");
  EXPECT_EQ(intake.lrps[1].lrp.process_guid, "small");
  EXPECT_THAT(names(intake.refused.lrps), ElementsAre("huge"));
  EXPECT_EQ(intake.refused.rejection_reasons.at("huge.0"), "insufficient resources: memory");
}

TEST(WorkIntake, NamesTheContainerAfterTheInstance) {
  models::Work work;
  work.lrps = std::vector<models::CellLRP>{an_lrp("p", 10)};
  const auto intake =
      accept_work(work, {.remaining_memory_mb = 100, .proxy_memory_mb = 32, .stacks = kStacks}, fixed_guid);
  ASSERT_EQ(intake.lrps.size(), 1u);
  const auto& request = intake.lrps[0].request;
  EXPECT_EQ(request.guid, "01234567-89ab-cdef-0123-4567");
  EXPECT_EQ(request.resource.memory_mb, 42);
  EXPECT_EQ(request.rootfs, "/rootfs.tar");
  EXPECT_EQ(request.tags.at("lifecycle"), "lrp");
  EXPECT_EQ(request.tags.at("instance-guid"), request.guid);
  EXPECT_EQ(request.tags.at("process-index"), "0");
  EXPECT_EQ(request.tags.at("placement-tags"), "null");
}

TEST(WorkIntake, CountsTheProxyMemoryForAnLRPWithoutALimitButDoesNotAddIt) {
  models::Work work;
  work.lrps = std::vector<models::CellLRP>{an_lrp("p", 0)};
  EXPECT_TRUE(accept_work(work, {.remaining_memory_mb = 31, .proxy_memory_mb = 32, .stacks = kStacks}, fixed_guid)
                  .lrps.empty());
  const auto intake =
      accept_work(work, {.remaining_memory_mb = 32, .proxy_memory_mb = 32, .stacks = kStacks}, fixed_guid);
  EXPECT_EQ(intake.lrps.at(0).request.resource.memory_mb, 0);
}

TEST(WorkIntake, RefusesUnknownStacksAndDoesNotFilterTasksByMemory) {
  models::Work work;
  work.lrps = std::vector<models::CellLRP>{an_lrp("p", 1, "preloaded:windows")};
  work.tasks = std::vector<models::CellTask>{a_cell_task("t", 1000)};
  const auto intake = accept_work(work, {.remaining_memory_mb = 100, .stacks = kStacks}, fixed_guid);
  EXPECT_THAT(names(intake.refused.lrps), ElementsAre("p"));
  ASSERT_EQ(intake.tasks.size(), 1u);
  EXPECT_EQ(intake.tasks[0].request.guid, "t");
  EXPECT_EQ(intake.tasks[0].request.tags.at("lifecycle"), "task");
}

TEST(WorkIntake, RefusesEverythingWhileEvacuating) {
  models::Work work;
  work.lrps = std::vector<models::CellLRP>{an_lrp("p", 1)};
  work.tasks = std::vector<models::CellTask>{a_cell_task("t", 1)};
  const auto intake =
      accept_work(work, {.remaining_memory_mb = 100, .evacuating = true, .stacks = kStacks}, fixed_guid);
  EXPECT_EQ(intake.refused, work);
  EXPECT_TRUE(intake.lrps.empty());
}

TEST(WorkIntake, RefusesFailedAllocations) {
  models::Work work;
  work.lrps = std::vector<models::CellLRP>{an_lrp("p", 1)};
  work.tasks = std::vector<models::CellTask>{a_cell_task("t", 1)};
  const auto intake = accept_work(work, {.remaining_memory_mb = 100, .stacks = kStacks}, fixed_guid);
  auto refused = intake.refused;
  refuse_failed(refused, intake, {{.guid = "t", .reason = "container guid not available"}});
  EXPECT_TRUE(refused.lrps.empty());
  ASSERT_EQ(refused.tasks.size(), 1u);
  EXPECT_EQ(refused.rejection_reasons.at("t"), "container guid not available");
}

TEST(WorkIntake, RefusesOneOfSeveralItemsWithOneGuidForEachFailure) {
  constexpr std::size_t kMany = 20'000;
  models::Work work;
  work.tasks = std::vector<models::CellTask>(kMany, a_cell_task("t", 1));
  const auto intake = accept_work(work, {.remaining_memory_mb = 100, .stacks = kStacks}, fixed_guid);
  auto refused = intake.refused;
  const std::vector<executor::AllocationFailure> failures(kMany - 1, {.guid = "t", .reason = "taken"});
  refuse_failed(refused, intake, failures);
  EXPECT_EQ(refused.tasks.size(), kMany - 1);
}

// --- the batch table ---

TEST(BatchPlan, HasOneOperationForEachGuidAndPrefersContainers) {
  const auto instance = [](const std::string& guid) { return an_actual_lrp("p-" + guid, 0).running_on("cell", guid); };
  const std::vector<models::ActualLRP> instances = {
      instance("with-container").build(),
      instance("alone").build(),
      instance("suspect").with_presence(models::ActualLRP::SUSPECT).build(),
      instance("both").build(),
      instance("both").with_presence(models::ActualLRP::EVACUATING).build(),
      instance("evacuating").with_presence(models::ActualLRP::EVACUATING).build(),
  };
  const auto plan = plan_batch({"with-container", "only-container", "task-with-container"}, instances,
                               {models::testing::a_task("task"), models::testing::a_task("task-with-container")});
  EXPECT_EQ(plan.at("with-container").action, BatchAction::kContainer);
  EXPECT_EQ(plan.at("only-container").action, BatchAction::kContainer);
  EXPECT_EQ(plan.at("task-with-container").action, BatchAction::kContainer);
  EXPECT_EQ(plan.at("alone").action, BatchAction::kRemoveInstance);
  EXPECT_EQ(plan.at("alone").key.process_guid(), "p-alone");
  EXPECT_EQ(plan.at("alone").instance.instance_guid(), "alone");
  EXPECT_EQ(plan.at("suspect").action, BatchAction::kRemoveInstance);
  EXPECT_EQ(plan.at("both").action, BatchAction::kRemoveInstanceAndEvacuating);
  EXPECT_EQ(plan.at("evacuating").action, BatchAction::kRemoveEvacuating);
  EXPECT_EQ(plan.at("task").action, BatchAction::kFailTask);
  EXPECT_EQ(plan.size(), 8u);
}

// --- the container table ---

ContainerAction lrp_action(ContainerState state, bool stopped, bool evacuating) {
  return decide(
      {.lifecycle = Lifecycle::kLRP, .state = state, .result = {.stopped = stopped}, .evacuating = evacuating});
}

TEST(ContainerTable, OfAnOrdinaryLRP) {
  EXPECT_EQ(lrp_action(ContainerState::kReserved, false, false), ContainerAction::kClaimAndRun);
  EXPECT_EQ(lrp_action(ContainerState::kInitializing, false, false), ContainerAction::kClaim);
  EXPECT_EQ(lrp_action(ContainerState::kCreated, false, false), ContainerAction::kClaim);
  EXPECT_EQ(lrp_action(ContainerState::kRunning, false, false), ContainerAction::kStart);
  EXPECT_EQ(lrp_action(ContainerState::kCompleted, true, false), ContainerAction::kRemoveAndDelete);
  EXPECT_EQ(lrp_action(ContainerState::kCompleted, false, false), ContainerAction::kCrashAndDelete);
}

TEST(ContainerTable, OfAnEvacuatingLRP) {
  EXPECT_EQ(lrp_action(ContainerState::kReserved, false, true), ContainerAction::kEvacuateClaimed);
  EXPECT_EQ(lrp_action(ContainerState::kInitializing, false, true), ContainerAction::kEvacuateClaimed);
  EXPECT_EQ(lrp_action(ContainerState::kCreated, false, true), ContainerAction::kEvacuateClaimed);
  EXPECT_EQ(lrp_action(ContainerState::kRunning, false, true), ContainerAction::kEvacuateRunning);
  EXPECT_EQ(lrp_action(ContainerState::kCompleted, true, true), ContainerAction::kEvacuateStopped);
  EXPECT_EQ(lrp_action(ContainerState::kCompleted, false, true), ContainerAction::kEvacuateCrashed);
}

TEST(ContainerTable, OfATaskIsTheSameInAnEvacuation) {
  for (const bool evacuating : {false, true}) {
    const auto action = [&](ContainerState state, bool failed, bool retryable) {
      return decide({.lifecycle = Lifecycle::kTask,
                     .state = state,
                     .result = {.failed = failed, .retryable = retryable},
                     .evacuating = evacuating});
    };
    EXPECT_EQ(action(ContainerState::kReserved, false, false), ContainerAction::kStartTask);
    EXPECT_EQ(action(ContainerState::kRunning, false, false), ContainerAction::kStartTask);
    EXPECT_EQ(action(ContainerState::kCompleted, true, true), ContainerAction::kRejectTask);
    EXPECT_EQ(action(ContainerState::kCompleted, true, false), ContainerAction::kCompleteTask);
    EXPECT_EQ(action(ContainerState::kCompleted, false, false), ContainerAction::kCompleteTask);
  }
}

TEST(ContainerTable, LeavesAnUnknownLifecycleAlone) {
  EXPECT_EQ(decide({.lifecycle = Lifecycle::kUnknown, .state = ContainerState::kRunning, .result = {}}),
            ContainerAction::kNothing);
}

// --- run requests ---

LRPIdentity an_identity() {
  return {.key = models::actual_lrp_key("process-guid", 3, "domain"),
          .instance = models::actual_lrp_instance_key("instance-guid", "cell-1")};
}

TEST(RunRequest, OfAnLRPHasTheValuesOfItsInstance) {
  auto lrp = a_desired_lrp().with_root_fs("preloaded:cflinuxfs4").with_port(8080).with_metric_tag("app", "x").build();
  lrp.set_log_guid("log-guid");
  lrp.set_log_source("APP");
  lrp.set_cpu_weight(0);
  lrp.set_start_timeout_ms(7000);
  auto* variable = lrp.add_environment_variables();
  variable->set_name("INSTANCE_GUID");
  variable->set_value("mine");
  const auto request = run_request_of(lrp, an_identity(), {.stacks = kStacks});
  const auto& info = request.run_info;
  EXPECT_EQ(request.guid, "instance-guid");
  EXPECT_EQ(info.rootfs, "/rootfs.tar");
  EXPECT_EQ(info.cpu_weight, 1u);
  EXPECT_THAT(info.ports, ElementsAre(8080u));
  EXPECT_TRUE(info.enable_container_proxy);
  EXPECT_EQ(info.start_timeout, std::chrono::seconds(7));
  EXPECT_EQ(info.log_rate_limit_bytes_per_second, -1);
  EXPECT_EQ(info.log_config.owner, "process-guid");
  EXPECT_EQ(info.log_config.guid, "log-guid");
  EXPECT_EQ(info.log_config.index, 3);
  EXPECT_EQ(info.log_config.tags.at("app"), "x");
  ASSERT_GE(info.env.size(), 5u);
  EXPECT_EQ(info.env[0].name() + "=" + info.env[0].value(), "INSTANCE_GUID=instance-guid");
  EXPECT_EQ(info.env[1].name() + "=" + info.env[1].value(), "INSTANCE_INDEX=3");
  EXPECT_EQ(info.env[2].name() + "=" + info.env[2].value(), "CF_INSTANCE_GUID=instance-guid");
  EXPECT_EQ(info.env[3].name() + "=" + info.env[3].value(), "CF_INSTANCE_INDEX=3");
  EXPECT_EQ(info.env.back().value(), "mine") << "the LRP's own come last and win";
}

models::ImageLayer a_layer(models::ImageLayer::Type type, const std::string& url) {
  models::ImageLayer layer;
  layer.set_url(url);
  layer.set_destination_path("/to");
  layer.set_layer_type(type);
  layer.set_media_type(models::ImageLayer::TGZ);
  layer.set_digest_algorithm(models::ImageLayer::SHA256);
  layer.set_digest_value("abc");
  return layer;
}

TEST(RunRequest, TurnsLayersIntoDependenciesAndDownloads) {
  auto lrp = a_desired_lrp().with_root_fs("preloaded:cflinuxfs4").with_setup(a_run_action("/setup")).build();
  *lrp.add_image_layers() = a_layer(models::ImageLayer::SHARED, "http://shared");
  *lrp.add_image_layers() = a_layer(models::ImageLayer::EXCLUSIVE, "http://exclusive");
  const auto info = run_request_of(lrp, an_identity(), {.stacks = kStacks}).run_info;
  ASSERT_GE(info.cached_dependencies.size(), 1u);
  EXPECT_EQ(info.cached_dependencies[0].from(), "http://shared");
  ASSERT_TRUE(info.setup);
  EXPECT_EQ(models::kind_of(*info.setup), models::ActionKind::kSerial);
  EXPECT_EQ(info.rootfs, "/rootfs.tar");

  const auto folded =
      run_request_of(lrp, an_identity(), {.stacks = kStacks, .layering_mode = LayeringMode::kTwoLayer}).run_info;
  EXPECT_EQ(folded.rootfs,
            "preloaded+layer:/rootfs.tar?layer=http%3A%2F%2Fexclusive&layer_path=%2Fto&layer_digest=abc");
  EXPECT_EQ(models::kind_of(*folded.setup), models::ActionKind::kRun);
}

TEST(RunRequest, RefusesDefinitionsThatCannotRunHere) {
  EXPECT_THROW(
      run_request_of(a_desired_lrp().with_root_fs("preloaded:windows").build(), an_identity(), {.stacks = kStacks}),
      RootFsNotFound);
  auto lrp = a_desired_lrp().with_root_fs("preloaded:cflinuxfs4").build();
  lrp.add_volume_mounts()->set_mode("x");
  EXPECT_THROW(run_request_of(lrp, an_identity(), {.stacks = kStacks}), std::invalid_argument);
}

TEST(RunRequest, OfATaskKeepsItsOwnEnvironmentAndItsResultFile) {
  auto task = models::testing::a_task("task");
  auto& definition = *task.mutable_task_definition();
  definition.set_root_fs("preloaded:cflinuxfs4");
  definition.set_result_file("/result");
  definition.clear_environment_variables();
  definition.add_environment_variables()->set_name("ONLY");
  const auto request = run_request_of(task, {.stacks = kStacks});
  EXPECT_EQ(request.guid, "task");
  EXPECT_EQ(request.tags.at("result-file"), "/result");
  ASSERT_EQ(request.run_info.env.size(), 1u);
  EXPECT_FALSE(request.run_info.enable_container_proxy);
  EXPECT_EQ(request.run_info.log_config.owner, "task");
}

// --- reports ---

Config a_config() {
  Config config;
  config.cell_id = "cell_1";
  config.zone = "z1";
  config.advertise_domain = "cell.service.cf.internal";
  config.listen_addr = "127.0.0.1:1800";
  config.listen_addr_securable = "0.0.0.0:1801";
  config.stacks = kStacks;
  config.supported_providers = {"docker"};
  return config;
}

executor::Container lrp_container(ContainerState state, bool failed = false) {
  executor::Container container;
  container.guid = "instance";
  container.tags = tags_of(an_lrp("p", 128), "instance");
  container.resource = {.memory_mb = 128, .disk_mb = 64, .max_pids = 9};
  container.run_info.rootfs = "/rootfs.tar";
  container.state = state;
  container.run_result.failed = failed;
  return container;
}

TEST(CellReport, HasTheResourcesAndTheWork) {
  const auto config = a_config();
  CellStateBuilder builder(config, {1000, 2000, 10}, {872, 1936, 9}, true);
  builder.add(lrp_container(ContainerState::kRunning));
  builder.add(lrp_container(ContainerState::kCreated));
  builder.add(lrp_container(ContainerState::kCompleted, true));
  builder.add(lrp_container(ContainerState::kCompleted, false));
  executor::Container task;
  task.guid = "task";
  task.tags = tags_of(a_cell_task("task", 1));
  task.state = ContainerState::kReserved;
  builder.add(task);
  builder.add(executor::Container{});
  const auto state = builder.take();
  EXPECT_EQ(state.rep_url, "https://cell-1.cell.service.cf.internal:1801");
  EXPECT_EQ(state.available, (models::CellResources{872, 1936, 9}));
  EXPECT_EQ(state.total, (models::CellResources{1000, 2000, 10}));
  EXPECT_TRUE(state.evacuating);
  EXPECT_EQ(state.starting_container_count, 3);
  ASSERT_EQ(state.lrps.size(), 4u);
  EXPECT_EQ(state.lrps[0].state, "RUNNING");
  EXPECT_EQ(state.lrps[1].state, "CLAIMED");
  EXPECT_EQ(state.lrps[2].state, "CRASHED");
  EXPECT_EQ(state.lrps[3].state, "SHUTDOWN");
  EXPECT_EQ(state.lrps[0].placement.root_fs, "preloaded:cflinuxfs4");
  EXPECT_EQ(state.lrps[0].instance_guid, "instance");
  ASSERT_EQ(state.tasks.size(), 1u);
  EXPECT_EQ(state.tasks[0].state, models::CellTaskState::kRunning);
  EXPECT_EQ(models::parse_cell_state(models::to_json(state)), state);
}

TEST(CellReport, HasUpstreamsFormOfPresence) {
  const auto json = boost::json::parse(presence_json(a_config(), {1000, 2000, 10}, "10.0.0.5"));
  EXPECT_EQ(json.at("cell_id"), "cell_1");
  EXPECT_EQ(json.at("rep_address"), "http://10.0.0.5:1800");
  EXPECT_EQ(json.at("rep_url"), "https://cell-1.cell.service.cf.internal:1801");
  EXPECT_EQ(json.at("zone"), "z1");
  EXPECT_EQ(json.at("capacity").at("memory_mb"), 1000);
  const auto& providers = json.at("rootfs_provider_list").as_array();
  ASSERT_EQ(providers.size(), 3u);
  EXPECT_EQ(providers[0].at("name"), "preloaded");
  EXPECT_EQ(providers[0].at("properties").at(0), "cflinuxfs4");
  EXPECT_EQ(providers[2].at("name"), "docker");
  EXPECT_EQ(providers[2].as_object().if_contains("properties"), nullptr);
}

TEST(Tags, IdentifyAnInstanceOrNot) {
  const auto identity = lrp_identity(lrp_container(ContainerState::kRunning), "cell-1");
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->instance.cell_id(), "cell-1");
  auto broken = lrp_container(ContainerState::kRunning);
  broken.tags[kProcessIndexTag] = "x";
  EXPECT_FALSE(lrp_identity(broken, "cell-1"));
}

}  // namespace
}  // namespace rivera::rep
