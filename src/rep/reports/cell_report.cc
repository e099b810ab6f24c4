#include "rep/reports/cell_report.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

#include "models/forms/json.h"
#include "rep/settings/container_tags.h"

namespace rivera::rep {
namespace {

using executor::ContainerState;

models::CellResources cell_resources(const executor::Resources& resources) {
  return {.memory_mb = static_cast<std::int32_t>(resources.memory_mb),
          .disk_mb = static_cast<std::int32_t>(resources.disk_mb),
          .containers = resources.containers};
}

models::ContainerResource resource_of(const executor::Container& container) {
  return {.memory_mb = static_cast<std::int32_t>(container.resource.memory_mb),
          .disk_mb = static_cast<std::int32_t>(container.resource.disk_mb),
          .max_pids = static_cast<std::int32_t>(container.resource.max_pids)};
}

bool is_starting(ContainerState state) {
  return state == ContainerState::kReserved || state == ContainerState::kInitializing ||
         state == ContainerState::kCreated;
}

const char* lrp_state(const executor::Container& container) {
  if (container.state == ContainerState::kRunning) return "RUNNING";
  if (container.state != ContainerState::kCompleted) return "CLAIMED";
  return container.run_result.failed ? "CRASHED" : "SHUTDOWN";
}

models::Provider provider(const std::string& name, const models::StackPathMap& stacks) {
  models::Provider out;
  out.set_name(name);
  for (const auto& [stack, path] : stacks) out.add_properties(stack);
  return out;
}

}  // namespace

CellStateBuilder::CellStateBuilder(const Config& config, executor::Resources total, executor::Resources remaining,
                                   bool evacuating)
    : config_(config) {
  state_.rep_url = rep_url(config);
  state_.cell_id = config.cell_id;
  state_.cell_index = config.cell_index;
  state_.root_fs_providers = models::root_fs_providers(config.stacks, config.supported_providers);
  state_.available = cell_resources(remaining);
  state_.total = cell_resources(total);
  state_.zone = config.zone;
  state_.evacuating = evacuating;
  state_.volume_drivers = std::vector<std::string>{};  // printed as [], not as null
  state_.placement_tags = config.placement_tags;
  state_.optional_placement_tags = config.optional_placement_tags;
  state_.proxy_memory_allocation_mb = proxy_memory_mb(config);
}

void CellStateBuilder::add(const executor::Container& container) {
  if (is_starting(container.state)) ++state_.starting_container_count;
  switch (lifecycle_of(container)) {
    case Lifecycle::kLRP: {
      const auto identity = lrp_identity(container, config_.cell_id);
      if (!identity) return;
      auto& lrp = state_.lrps.emplace_back();
      lrp.instance_guid = identity->instance.instance_guid();
      lrp.process_guid = identity->key.process_guid();
      lrp.index = identity->key.index();
      lrp.domain = identity->key.domain();
      lrp.placement = placement_of(container, config_.stacks);
      lrp.resource = resource_of(container);
      lrp.state = lrp_state(container);
      break;
    }
    case Lifecycle::kTask: {
      auto& task = state_.tasks.emplace_back();
      task.task_guid = container.guid;
      task.domain = container.tag(kDomainTag);
      task.placement = placement_of(container, config_.stacks);
      task.resource = resource_of(container);
      const bool completed = container.state == ContainerState::kCompleted;
      task.state = completed ? models::CellTaskState::kCompleted : models::CellTaskState::kRunning;
      task.failed = container.run_result.failed;
      break;
    }
    case Lifecycle::kUnknown:
      break;
  }
}

std::string presence_json(const Config& config, executor::Resources total, const std::string& address) {
  models::CellPresence presence;
  presence.set_cell_id(config.cell_id);
  const auto& listen = config.listen_addr;
  presence.set_rep_address("http://" + address + listen.substr(std::min(listen.size(), listen.rfind(':'))));
  presence.set_zone(config.zone);
  auto& capacity = *presence.mutable_capacity();
  capacity.set_memory_mb(static_cast<std::int32_t>(total.memory_mb));
  capacity.set_disk_mb(static_cast<std::int32_t>(total.disk_mb));
  capacity.set_containers(static_cast<std::int32_t>(total.containers));
  *presence.add_rootfs_providers() = provider("preloaded", config.stacks);
  *presence.add_rootfs_providers() = provider("preloaded+layer", config.stacks);
  for (const auto& scheme : config.supported_providers) *presence.add_rootfs_providers() = provider(scheme, {});
  for (const auto& tag : config.placement_tags) presence.add_placement_tags(tag);
  for (const auto& tag : config.optional_placement_tags) presence.add_optional_placement_tags(tag);
  presence.set_rep_url(rep_url(config));
  return models::to_json_text(presence);
}

std::string local_address() {
  asio::io_context context;
  asio::ip::udp::socket socket(context);
  error_code ec;
  // connect() on a datagram socket sends nothing; it makes the kernel choose a source address.
  const asio::ip::udp::endpoint outside(asio::ip::make_address_v4("8.8.8.8"), 80);
  socket.open(asio::ip::udp::v4(), ec);
  if (!ec) socket.connect(outside, ec);
  if (ec) return "127.0.0.1";
  const auto local = socket.local_endpoint(ec);
  return ec ? "127.0.0.1" : local.address().to_string();
}

}  // namespace rivera::rep
