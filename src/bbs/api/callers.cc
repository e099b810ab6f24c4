#include "bbs/api/callers.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace rivera::bbs {
namespace {

using models::Role;
using models::RoleSet;

// Those who desire work and look after it.
constexpr RoleSet kClients{Role::kCloudController, Role::kOperator};
// The cell that runs what the request is about.
constexpr RoleSet kCell{Role::kRep};
// What was placed and could not be.
constexpr RoleSet kPlacement{Role::kAuctioneer};

}  // namespace

const std::vector<RouteCallers>& route_callers() {
  static const std::vector<RouteCallers> rows{
      {"/v1/ping", RoleSet::anyone()},
      {"/v1/domains/list", kClients.with({Role::kRouteEmitter})},
      {"/v1/domains/upsert", kClients},
      {"/v1/cells/list.r1", {Role::kAuctioneer, Role::kOperator}},

      {"/v1/actual_lrps/list", kClients.with({Role::kRep, Role::kRouteEmitter, Role::kSshProxy})},
      {"/v1/actual_lrps/list_by_process_guids", kClients},
      {"/v1/actual_lrp_groups/list", kClients},
      {"/v1/actual_lrp_groups/list_by_process_guid", kClients},
      {"/v1/actual_lrp_groups/get_by_process_guid_and_index", kClients.with({Role::kSshProxy})},
      {"/v1/actual_lrps/claim", kCell},
      {"/v1/actual_lrps/start.r1", kCell},
      {"/v1/actual_lrps/start", kCell},
      {"/v1/actual_lrps/crash", kCell},
      {"/v1/actual_lrps/fail", kPlacement},
      {"/v1/actual_lrps/remove", kCell},
      {"/v1/actual_lrps/retire", kClients},
      {"/v1/actual_lrps/remove_evacuating", kCell},
      {"/v1/actual_lrps/evacuate_claimed", kCell},
      {"/v1/actual_lrps/evacuate_crashed", kCell},
      {"/v1/actual_lrps/evacuate_stopped", kCell},
      {"/v1/actual_lrps/evacuate_running.r1", kCell},
      {"/v1/actual_lrps/evacuate_running", kCell},

      {"/v1/desired_lrp_scheduling_infos/list", kClients.with({Role::kRouteEmitter})},
      {"/v1/desired_lrp_scheduling_infos/get_by_process_guid", kClients},
      {"/v1/desired_lrp_routing_infos/list", kClients.with({Role::kRouteEmitter})},
      {"/v1/desired_lrps/list.r3", kClients},
      {"/v1/desired_lrps/list.r2", kClients},
      {"/v1/desired_lrps/get_by_process_guid.r3", kClients.with({Role::kRep, Role::kSshProxy})},
      {"/v1/desired_lrps/get_by_process_guid.r2", kClients},
      {"/v1/desired_lrp/desire.r2", kClients},
      {"/v1/desired_lrp/update", kClients},
      {"/v1/desired_lrp/remove", kClients},

      {"/v1/tasks/list.r3", kClients.with({Role::kRep})},
      {"/v1/tasks/list.r2", kClients},
      {"/v1/tasks/get_by_task_guid.r3", kClients.with({Role::kRep})},
      {"/v1/tasks/get_by_task_guid.r2", kClients},
      {"/v1/tasks/desire.r2", kClients},
      {"/v1/tasks/start", kCell},
      {"/v1/tasks/cancel", kClients},
      {"/v1/tasks/fail", kCell},
      {"/v1/tasks/reject", kPlacement.with({Role::kRep})},
      {"/v1/tasks/complete", kCell},
      {"/v1/tasks/resolving", kClients},
      {"/v1/tasks/delete", kClients},

      {"/v1/events", kClients},
      {"/v1/events.r1", kClients},
      {"/v1/events/lrp_instances", kClients.with({Role::kRouteEmitter})},
      {"/v1/events/lrp_instances.r1", kClients.with({Role::kRouteEmitter})},
      {"/v1/events/tasks", kClients},
      {"/v1/events/tasks.r1", kClients},
  };
  return rows;
}

models::RoleSet callers_of(std::string_view path) {
  const auto& rows = route_callers();
  const auto row = std::ranges::find(rows, path, &RouteCallers::path);
  if (row == rows.end()) throw std::logic_error("no callers are named for the route " + std::string(path));
  return row->callers;
}

}  // namespace rivera::bbs
