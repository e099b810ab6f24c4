#include "bbs/events/event_audience.h"

namespace rivera::bbs {
namespace {

using TwoCells = std::array<std::string_view, 2>;

std::string_view cell_of(const ActualLRPPtr& lrp) { return lrp ? std::string_view(cell_id(*lrp)) : ""; }

struct CellsOf {
  TwoCells operator()(const DesiredLRPEvent&) const { return {}; }
  TwoCells operator()(const TaskEvent&) const { return {}; }
  TwoCells operator()(const InstanceEvent& e) const { return {key_of(e).cell_id(), ""}; }
  TwoCells operator()(const CrashEvent& e) const { return {cell_of(e.before), ""}; }
  TwoCells operator()(const GroupEvent& e) const {
    const std::string_view before = cell_of(e.before.resolved());
    const std::string_view after = cell_of(e.after.resolved());
    return {before, after == before ? "" : after};
  }
};

}  // namespace

std::array<std::string_view, 2> cells_of(const Event& event) { return std::visit(CellsOf{}, event.what); }

const models::ActualLRPInstanceKey& key_of(const InstanceEvent& event) {
  const ActualLRPPtr& any = event.after ? event.after : event.before;
  const auto& key = any->lrp.actual_lrp_instance_key();
  return event.before && models::is_empty(key) ? event.before->lrp.actual_lrp_instance_key() : key;
}

}  // namespace rivera::bbs
