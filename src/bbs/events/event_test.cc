// The form of events and their recipients: docs/spec/bbs.md §3.2, §3.5, §3.6.
#include "bbs/events/event.h"

#include "bbs/events/event_audience.h"
#include "bbs/events/event_testing.h"
#include "models/forms/wire.h"

namespace rivera::bbs {
namespace {

using models::testing::a_desired_lrp;
using models::testing::a_task;
using models::testing::an_actual_lrp;

template <typename Message>
Message decoded(const Event& event, EventForm form = EventForm::kCurrent) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(encode(event, form)));
  return message;
}

std::string text(const google::protobuf::Message& message) { return message.DebugString(); }

class EventForms : public testing::Test {
 protected:
  const ActualLRPPtr unclaimed_ = record(an_actual_lrp("p", 0).unclaimed());
  const ActualLRPPtr claimed_ = record(an_actual_lrp("p", 0).claimed_by("a", "i"));
  const ActualLRPPtr running_ = record(an_actual_lrp("p", 0).running_on("a", "i"));
  const ActualLRPPtr elsewhere_ = record(an_actual_lrp("p", 0).running_on("b", "j"));
  const ActualLRPPtr crashed_ = record(an_actual_lrp("p", 0).crashed(3, "exited with status 1"));
  const ActualLRPPtr evacuating_ = record(an_actual_lrp("p", 0).running_on("old", "e").with_presence(kEvacuating));
  const DesiredLRPPtr desired_ = make_desired_lrp(a_desired_lrp("p"), 0);
  const DesiredLRPPtr scaled_ = make_desired_lrp(a_desired_lrp("p").with_instances(5), 0);
  const TaskPtr task_ = make_task(a_task("t"));
};

TEST_F(EventForms, AreNamedByWhatHappenedToWhat) {
  const auto name = [](Hub hub, auto what) { return std::string(name_of({hub, what})); };
  EXPECT_EQ(name(Hub::kDesired, DesiredLRPEvent{nullptr, desired_, ""}), "desired_lrp_created");
  EXPECT_EQ(name(Hub::kDesired, DesiredLRPEvent{desired_, scaled_, ""}), "desired_lrp_changed");
  EXPECT_EQ(name(Hub::kDesired, DesiredLRPEvent{desired_, nullptr, ""}), "desired_lrp_removed");
  EXPECT_EQ(name(Hub::kGroup, GroupEvent{{}, {running_, nullptr}}), "actual_lrp_created");
  EXPECT_EQ(name(Hub::kGroup, GroupEvent{{claimed_, nullptr}, {running_, nullptr}}), "actual_lrp_changed");
  EXPECT_EQ(name(Hub::kGroup, GroupEvent{{nullptr, evacuating_}, {}}), "actual_lrp_removed");
  EXPECT_EQ(name(Hub::kInstance, InstanceEvent{nullptr, running_, ""}), "actual_lrp_instance_created");
  EXPECT_EQ(name(Hub::kInstance, InstanceEvent{claimed_, running_, ""}), "actual_lrp_instance_changed");
  EXPECT_EQ(name(Hub::kInstance, InstanceEvent{running_, nullptr, ""}), "actual_lrp_instance_removed");
  EXPECT_EQ(name(Hub::kInstance, CrashEvent{running_, crashed_}), "actual_lrp_crashed");
  EXPECT_EQ(name(Hub::kTask, TaskEvent{nullptr, task_}), "task_created");
  EXPECT_EQ(name(Hub::kTask, TaskEvent{task_, task_}), "task_changed");
  EXPECT_EQ(name(Hub::kTask, TaskEvent{task_, nullptr}), "task_removed");
}

TEST_F(EventForms, OfDesiredLRPsCarryThemAsStoredWithTheTrace) {
  const Event created{Hub::kDesired, DesiredLRPEvent{nullptr, desired_, "trace"}};
  const auto creation = decoded<models::DesiredLRPCreatedEvent>(created);
  EXPECT_EQ(text(creation.desired_lrp()), text(desired_->whole()));
  EXPECT_EQ(creation.trace_id(), "trace");
  const auto change =
      decoded<models::DesiredLRPChangedEvent>({Hub::kDesired, DesiredLRPEvent{desired_, scaled_, "trace"}});
  EXPECT_EQ(text(change.before()), text(desired_->whole()));
  EXPECT_EQ(text(change.after()), text(scaled_->whole()));
  EXPECT_EQ(change.trace_id(), "trace");
  const auto removal =
      decoded<models::DesiredLRPRemovedEvent>({Hub::kDesired, DesiredLRPEvent{scaled_, nullptr, "trace"}});
  EXPECT_EQ(text(removal.desired_lrp()), text(scaled_->whole()));
  EXPECT_EQ(removal.trace_id(), "trace");
}

TEST_F(EventForms, OfDesiredLRPsDoNotDeriveTheMetricsGuid) {
  const auto tagged = make_desired_lrp(a_desired_lrp("p").with_metric_tag("source_id", "app"), 0);
  models::DesiredLRP read;
  ASSERT_TRUE(models::decode(tagged->wire, read));
  ASSERT_EQ(read.metrics_guid(), "app") << "as reads do";
  const auto event = decoded<models::DesiredLRPCreatedEvent>({Hub::kDesired, DesiredLRPEvent{nullptr, tagged, ""}});
  EXPECT_EQ(event.desired_lrp().metrics_guid(), "");
}

TEST_F(EventForms, OfInstancesCarryTheLRPOrItsKeysAndInfos) {
  const auto creation = decoded<models::ActualLRPInstanceCreatedEvent>(instance_event(nullptr, running_, "trace"));
  EXPECT_EQ(text(creation.actual_lrp()), text(running_->whole()));
  EXPECT_EQ(creation.trace_id(), "trace");
  const auto removal = decoded<models::ActualLRPInstanceRemovedEvent>(instance_event(running_, nullptr, "trace"));
  EXPECT_EQ(text(removal.actual_lrp()), text(running_->whole()));
  EXPECT_EQ(removal.trace_id(), "trace");
  const auto change = decoded<models::ActualLRPInstanceChangedEvent>(instance_event(claimed_, running_, "trace"));
  EXPECT_EQ(text(change.actual_lrp_key()), text(running_->lrp.actual_lrp_key()));
  EXPECT_EQ(text(change.actual_lrp_instance_key()), text(running_->lrp.actual_lrp_instance_key()));
  EXPECT_EQ(text(change.before()), text(models::info_of(claimed_->whole())));
  EXPECT_EQ(text(change.after()), text(models::info_of(running_->whole())));
  EXPECT_EQ(change.trace_id(), "trace");
}

TEST_F(EventForms, OfAnInstanceThatLostItsKeyCarryTheKeyOfWhatWasThere) {
  const auto change = decoded<models::ActualLRPInstanceChangedEvent>(instance_event(running_, crashed_));
  EXPECT_EQ(text(change.actual_lrp_instance_key()), text(running_->lrp.actual_lrp_instance_key()));
  const auto none = decoded<models::ActualLRPInstanceChangedEvent>(instance_event(unclaimed_, unclaimed_));
  EXPECT_TRUE(none.has_actual_lrp_instance_key()) << "empty, but there";
}

TEST_F(EventForms, OfCrashesNameTheInstanceAndItsNewState) {
  const std::string reason(5000, 'x');
  const ActualLRPPtr crashed = record(an_actual_lrp("p", 0).crashed(3, reason).since(77));
  const auto crash = decoded<models::ActualLRPCrashedEvent>(crash_event(Hub::kInstance, running_, crashed));
  EXPECT_EQ(text(crash.actual_lrp_key()), text(crashed->lrp.actual_lrp_key()));
  EXPECT_EQ(crash.actual_lrp_instance_key().instance_guid(), "i");
  EXPECT_EQ(crash.actual_lrp_instance_key().cell_id(), "a");
  EXPECT_EQ(crash.crash_count(), 3);
  EXPECT_EQ(crash.crash_reason(), reason) << "not cut";
  EXPECT_EQ(crash.since(), 77);
}

TEST_F(EventForms, OfGroupsCarryTheLRPsInTheirSlots) {
  const auto creation = decoded<models::ActualLRPCreatedEvent>(group_event({}, {nullptr, evacuating_}));
  EXPECT_FALSE(creation.actual_lrp_group().has_instance());
  EXPECT_EQ(text(creation.actual_lrp_group().evacuating()), text(evacuating_->whole()));
  const auto change = decoded<models::ActualLRPChangedEvent>(group_event({claimed_, evacuating_}, {running_, nullptr}));
  EXPECT_EQ(text(change.before().instance()), text(claimed_->whole()));
  EXPECT_EQ(text(change.before().evacuating()), text(evacuating_->whole()));
  EXPECT_EQ(text(change.after().instance()), text(running_->whole()));
  EXPECT_FALSE(change.after().has_evacuating());
  const auto removal = decoded<models::ActualLRPRemovedEvent>(group_event({running_, nullptr}, {}));
  EXPECT_EQ(text(removal.actual_lrp_group().instance()), text(running_->whole()));
}

TEST_F(EventForms, OfTasksCarryThem) {
  const auto creation = decoded<models::TaskCreatedEvent>({Hub::kTask, TaskEvent{nullptr, task_}});
  EXPECT_EQ(text(creation.task()), text(task_->task));
  auto running = a_task("t");
  running.set_state(models::Task::Running);
  const TaskPtr after = make_task(running);
  const auto change = decoded<models::TaskChangedEvent>({Hub::kTask, TaskEvent{task_, after}});
  EXPECT_EQ(text(change.before()), text(task_->task));
  EXPECT_EQ(text(change.after()), text(after->task));
  const auto removal = decoded<models::TaskRemovedEvent>({Hub::kTask, TaskEvent{after, nullptr}});
  EXPECT_EQ(text(removal.task()), text(after->task));
}

TEST_F(EventForms, AreDownConvertedWhereTheyCarryDefinitions) {
  auto lrp = a_desired_lrp("p").build();
  auto* layer = lrp.add_image_layers();
  layer->set_name("layer");
  layer->set_url("https://blobs/layer");
  layer->set_destination_path("/layer");
  layer->set_layer_type(models::ImageLayer::SHARED);
  lrp.set_start_timeout_ms(5999);
  const DesiredLRPPtr layered = make_desired_lrp(lrp, 0);
  const Event desired{Hub::kDesired, DesiredLRPEvent{layered, layered, ""}};
  const auto as_r1 = decoded<models::DesiredLRPChangedEvent>(desired);
  EXPECT_EQ(as_r1.after().image_layers_size(), 1);
  const auto as_r0 = decoded<models::DesiredLRPChangedEvent>(desired, EventForm::kR0);
  for (const auto* side : {&as_r0.before(), &as_r0.after()}) {
    EXPECT_EQ(side->image_layers_size(), 0);
    EXPECT_EQ(side->cached_dependencies_size(), 0);
    EXPECT_TRUE(side->setup().has_serial_action()) << "which downloads the layer";
    EXPECT_EQ(side->deprecated_start_timeout_s(), 5u);
  }

  auto task = a_task("t");
  *task.mutable_task_definition()->add_image_layers() = *layer;
  const Event of_task{Hub::kTask, TaskEvent{nullptr, make_task(task)}};
  EXPECT_EQ(decoded<models::TaskCreatedEvent>(of_task).task().task_definition().image_layers_size(), 1);
  const auto v2 = decoded<models::TaskCreatedEvent>(of_task, EventForm::kR0).task().task_definition();
  EXPECT_EQ(v2.image_layers_size(), 0);
  EXPECT_EQ(v2.cached_dependencies_size(), 1);
}

using Audience = std::vector<std::string>;

Audience cells(const Event& event) {
  Audience named;
  for (const std::string_view cell : cells_of(event)) {
    if (!cell.empty()) named.emplace_back(cell);
  }
  return named;
}

TEST_F(EventForms, OfDesiredLRPsAndTasksReachEveryStreamOfTheirHub) {
  EXPECT_FALSE(is_filtered_by_cell(Hub::kDesired));
  EXPECT_FALSE(is_filtered_by_cell(Hub::kTask));
  EXPECT_TRUE(is_filtered_by_cell(Hub::kGroup));
  EXPECT_TRUE(is_filtered_by_cell(Hub::kInstance));
}

TEST_F(EventForms, OfInstancesConcernTheCellOfTheirKey) {
  EXPECT_EQ(cells(instance_event(nullptr, running_)), Audience({"a"}));
  EXPECT_EQ(cells(instance_event(running_, nullptr)), Audience({"a"}));
  EXPECT_EQ(cells(instance_event(claimed_, elsewhere_)), Audience({"b"})) << "the new key alone";
  EXPECT_EQ(cells(instance_event(running_, crashed_)), Audience({"a"})) << "the old key where there is no new one";
  EXPECT_EQ(cells(instance_event(nullptr, unclaimed_)), Audience()) << "no subscriber with a filter";
}

TEST_F(EventForms, OfCrashesConcernTheCellWhereItHappened) {
  EXPECT_EQ(cells(crash_event(Hub::kInstance, running_, crashed_)), Audience({"a"}));
  EXPECT_EQ(cells(crash_event(Hub::kGroup, running_, unclaimed_)), Audience({"a"}));
}

TEST_F(EventForms, OfGroupsConcernTheCellsOfWhatTheyResolveToBeforeAndAfter) {
  EXPECT_EQ(cells(group_event({}, {running_, nullptr})), Audience({"a"}));
  EXPECT_EQ(cells(group_event({running_, nullptr}, {})), Audience({"a"}));
  EXPECT_EQ(cells(group_event({}, {unclaimed_, nullptr})), Audience());
  EXPECT_EQ(cells(group_event({claimed_, nullptr}, {running_, nullptr})), Audience({"a"}));
  EXPECT_EQ(cells(group_event({running_, nullptr}, {elsewhere_, nullptr})), Audience({"a", "b"}));
  EXPECT_EQ(cells(group_event({running_, nullptr}, {unclaimed_, nullptr})), Audience({"a"}));
  EXPECT_EQ(cells(group_event({unclaimed_, nullptr}, {claimed_, nullptr})), Audience({"a"}));
}

TEST_F(EventForms, OfGroupsResolveToTheEvacuatingOneUntilItsReplacementRunsOrCrashed) {
  EXPECT_EQ(cells(group_event({}, {nullptr, evacuating_})), Audience({"old"}));
  EXPECT_EQ(cells(group_event({}, {unclaimed_, evacuating_})), Audience({"old"}));
  EXPECT_EQ(cells(group_event({}, {claimed_, evacuating_})), Audience({"old"}));
  EXPECT_EQ(cells(group_event({}, {running_, evacuating_})), Audience({"a"}));
  EXPECT_EQ(cells(group_event({}, {crashed_, evacuating_})), Audience()) << "a crashed one is on no cell";
}

}  // namespace
}  // namespace rivera::bbs
