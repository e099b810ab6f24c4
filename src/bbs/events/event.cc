#include "bbs/events/event.h"

#include "bbs/events/event_audience.h"
#include "models/forms/wire.h"

namespace rivera::bbs {
namespace {

template <typename E>
std::string_view pick(const E& event, std::string_view created, std::string_view changed, std::string_view removed) {
  if (!event.before) return created;
  return event.after ? changed : removed;
}

struct Name {
  std::string_view operator()(const DesiredLRPEvent& e) const {
    return pick(e, "desired_lrp_created", "desired_lrp_changed", "desired_lrp_removed");
  }
  std::string_view operator()(const InstanceEvent& e) const {
    return pick(e, "actual_lrp_instance_created", "actual_lrp_instance_changed", "actual_lrp_instance_removed");
  }
  std::string_view operator()(const TaskEvent& e) const {
    return pick(e, "task_created", "task_changed", "task_removed");
  }
  std::string_view operator()(const GroupEvent& e) const {
    if (e.before.empty()) return "actual_lrp_created";
    return e.after.empty() ? "actual_lrp_removed" : "actual_lrp_changed";
  }
  std::string_view operator()(const CrashEvent&) const { return "actual_lrp_crashed"; }
};

models::ActualLRPGroup message_of(const Group& group) {
  models::ActualLRPGroup message;
  if (group.instance) *message.mutable_instance() = group.instance->whole();
  if (group.evacuating) *message.mutable_evacuating() = group.evacuating->whole();
  return message;
}

template <typename Definition>
Definition in_form(Definition definition, EventForm form) {
  if (form == EventForm::kR0) models::down_convert(definition, models::DefinitionVersion::kV0);
  return definition;
}

struct Encode {
  EventForm form;

  std::string operator()(const DesiredLRPEvent& e) const {
    if (e.before && e.after) {
      models::DesiredLRPChangedEvent message;
      *message.mutable_before() = in_form(e.before->whole(), form);
      *message.mutable_after() = in_form(e.after->whole(), form);
      message.set_trace_id(e.trace_id);
      return models::encode(message);
    }
    models::DesiredLRPCreatedEvent message;  // a removal has the same fields
    *message.mutable_desired_lrp() = in_form((e.after ? e.after : e.before)->whole(), form);
    message.set_trace_id(e.trace_id);
    return models::encode(message);
  }

  std::string operator()(const InstanceEvent& e) const {
    if (e.before && e.after) {
      models::ActualLRPInstanceChangedEvent message;
      *message.mutable_actual_lrp_key() = e.after->lrp.actual_lrp_key();
      *message.mutable_actual_lrp_instance_key() = key_of(e);
      *message.mutable_before() = models::info_of(e.before->whole());
      *message.mutable_after() = models::info_of(e.after->whole());
      message.set_trace_id(e.trace_id);
      return models::encode(message);
    }
    models::ActualLRPInstanceCreatedEvent message;  // a removal has the same fields
    *message.mutable_actual_lrp() = (e.after ? e.after : e.before)->whole();
    message.set_trace_id(e.trace_id);
    return models::encode(message);
  }

  std::string operator()(const GroupEvent& e) const {
    if (e.before.empty() || e.after.empty()) {
      models::ActualLRPCreatedEvent message;  // a removal has the same fields
      *message.mutable_actual_lrp_group() = message_of(e.before.empty() ? e.after : e.before);
      return models::encode(message);
    }
    models::ActualLRPChangedEvent message;
    *message.mutable_before() = message_of(e.before);
    *message.mutable_after() = message_of(e.after);
    return models::encode(message);
  }

  std::string operator()(const CrashEvent& e) const {
    models::ActualLRPCrashedEvent message;
    *message.mutable_actual_lrp_key() = e.after->lrp.actual_lrp_key();
    *message.mutable_actual_lrp_instance_key() = e.before->lrp.actual_lrp_instance_key();
    message.set_crash_count(e.after->lrp.crash_count());
    message.set_crash_reason(e.after->lrp.crash_reason());
    message.set_since(e.after->lrp.since());
    return models::encode(message);
  }

  std::string operator()(const TaskEvent& e) const {
    if (e.before && e.after) {
      models::TaskChangedEvent message;
      *message.mutable_before() = in_form(e.before->task, form);
      *message.mutable_after() = in_form(e.after->task, form);
      return models::encode(message);
    }
    models::TaskCreatedEvent message;  // a removal has the same fields
    *message.mutable_task() = in_form(e.after ? e.after->task : e.before->task, form);
    return models::encode(message);
  }
};

}  // namespace

const ActualLRPPtr& Group::resolved() const {
  if (!instance) return evacuating;
  const bool instance_shows = !evacuating || is_in_state(*instance, "RUNNING") || is_in_state(*instance, "CRASHED");
  return instance_shows ? instance : evacuating;
}

std::string_view name_of(const Event& event) { return std::visit(Name{}, event.what); }

std::string encode(const Event& event, EventForm form) { return std::visit(Encode{form}, event.what); }

}  // namespace rivera::bbs
