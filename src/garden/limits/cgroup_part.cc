#include "garden/limits/cgroup_part.h"

#include <csignal>
#include <fstream>

#include <boost/json/value_to.hpp>

#include "base/files.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

std::set<std::string> read_parents(const std::string& path) {
  std::set<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.insert(line);
  return lines;
}

// "a,b": the events of a property, each an element of ContainerInfo::events.
std::vector<std::string> split_events(const std::string& joined) {
  std::vector<std::string> events;
  for (std::size_t at = 0; !joined.empty() && at <= joined.size();) {
    const std::size_t end = std::min(joined.find(',', at), joined.size());
    events.push_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return events;
}

}  // namespace

CgroupPart::CgroupPart(const Context& context)
    : context_(context), runtimes_(context.options, context.host.has_unified_cgroups) {}

asio::awaitable<void> CgroupPart::start(const Containers&) { co_await remember_parents({}); }

asio::awaitable<void> CgroupPart::remember_parents(std::set<std::string> parents) {
  const std::string path = context_.options.run_dir + "/cgroups";
  if (!are_parents_read_) {
    auto read = [path] { return read_parents(path); };
    std::set<std::string> known = co_await context_.on_worker(std::move(read));
    parents_.merge(known);
    are_parents_read_ = true;
  }
  const auto known = parents_.size();
  parents_.merge(parents);
  if (parents_.size() == known) co_return;
  std::string lines;
  for (const auto& directory : parents_) lines += directory + "\n";
  auto write = [path, lines] { base::write_file_atomically(path, lines); };
  co_await context_.on_worker(std::move(write));
}

asio::awaitable<void> CgroupPart::remove_everything() {
  co_await remember_parents({});
  auto clear = [parents = parents_, ours = cgroup_parent(context_.options.tag)] {
    std::set<std::string> all = parents;
    // Where they are expected, too: a server that was killed while it started has written nothing down.
    for (const bool is_below_own_group : {true, false}) {
      all.merge(Cgroups::expected(ours + "/any", is_below_own_group).parents());
    }
    clear_cgroups(all);
  };
  co_await context_.on_worker(std::move(clear));
}

asio::awaitable<void> CgroupPart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  const Runtime& runtime = runtimes_.named(container.runtime);
  bundle.cgroup_path = runtime.cgroup_path(group_of(container));
  auto expect = [&runtime, group = group_of(container)] { return runtime.cgroups(group); };
  container.cgroups = co_await context_.on_worker(std::move(expect));
  auto parents = container.cgroups.parents();
  co_await remember_parents(std::move(parents));
}

asio::awaitable<void> CgroupPart::started(Container& container, const api::ContainerSpec&) {
  auto find = [pid = container.init_pid, parent = cgroup_parent(context_.options.tag)] {
    return Cgroups::of_process(pid, parent);
  };
  container.cgroups = co_await context_.on_worker(std::move(find));
  auto parents = container.cgroups.parents();
  co_await remember_parents(std::move(parents));
}

asio::awaitable<void> CgroupPart::cleanup(Container& container) {
  auto remove = [cgroups = container.cgroups, group = group_of(container)] {
    cgroups.remove();
    if (!cgroups.paths().empty()) return;
    // The record is lost, and with it the runtime that made them.
    for (const bool is_below_own_group : {true, false}) Cgroups::expected(group, is_below_own_group).remove();
  };
  co_await context_.on_worker(std::move(remove));
}

std::string CgroupPart::group_of(const Container& container) const {
  return cgroup_parent(context_.options.tag) + "/" + container.runtime_id;
}

// Without limits of its own a pea is inside the container's group, whose limits bind it (§2.14).
asio::awaitable<void> CgroupPart::prepare_pea(Container& container, Pea& pea, const api::ProcessSpec&,
                                              BundleInput& bundle) {
  // Of an earlier one with this id. Not in cleanup_pea(): its group may still be looked at.
  container.state<State>().reported_of_peas.erase(pea.id);
  const Runtime& runtime = runtimes_.named(container.runtime);
  const std::string group =
      (pea.limits ? cgroup_parent(context_.options.tag) : group_of(container)) + "/" + pea.runtime_id;
  bundle.cgroup_path = runtime.cgroup_path(group);
  if (pea.limits) {
    bundle.limits.cpu = pea.limits->cpu;
    bundle.limits.memory = pea.limits->memory;
    apply_default_limits(bundle.limits, context_.options);
  }
  auto expect = [&runtime, group] { return runtime.cgroups(group); };
  pea.cgroups = co_await context_.on_worker(std::move(expect));
}

asio::awaitable<void> CgroupPart::cleanup_pea(Container&, const Pea& pea) {
  auto remove = [cgroups = pea.cgroups] {
    // Descendants that have left the process.
    cgroups.signal(cgroups.processes(), SIGKILL);
    cgroups.remove();
  };
  co_await context_.on_worker(std::move(remove));
}

asio::awaitable<void> CgroupPart::add_pea_metrics(Container&, const Pea& pea, api::ContainerMetrics& metrics) {
  auto read = [cgroups = pea.cgroups, metrics]() mutable {
    cgroups.read_metrics(metrics);
    return metrics;
  };
  metrics = co_await context_.on_worker(std::move(read));
}

boost::json::object CgroupPart::state(const Container& container) const {
  if (container.cgroups.paths().empty()) return {};
  boost::json::object paths;
  for (const auto& [controller, path] : container.cgroups.paths()) paths[controller] = path;
  const auto* state = container.find_state<State>();
  boost::json::object of_peas;
  if (state != nullptr) {
    for (const auto& [id, kills] : state->reported_of_peas) of_peas[id] = kills;
  }
  return {{"paths", std::move(paths)},
          {"oom_kills", state == nullptr ? 0 : state->reported_oom_kills},
          {"oom_kills_of_peas", std::move(of_peas)}};
}

asio::awaitable<void> CgroupPart::recover(Container& container, const boost::json::object& state) {
  if (state.empty()) co_return;
  container.cgroups = Cgroups(boost::json::value_to<std::map<std::string, std::string>>(state.at("paths")));
  auto& known = container.state<State>();
  known.reported_oom_kills = state.at("oom_kills").to_number<std::uint64_t>();
  if (const auto* of_peas = state.if_contains("oom_kills_of_peas")) {
    known.reported_of_peas = boost::json::value_to<std::map<std::string, std::uint64_t>>(*of_peas);
  }
}

// The kernel has counted a kill before the killed process can be reaped.
asio::awaitable<void> CgroupPart::notice_oom_kills(Container& container) {
  if (container.cgroups.paths().empty()) co_return;
  // Where each controller has its hierarchy, a kill in a group inside another is counted in that group only.
  std::map<std::string, Cgroups> inside;
  for (const auto& [id, pea] : container.record.peas) {
    if (!pea.limits) inside[id] = pea.cgroups;
  }
  auto count = [cgroups = container.cgroups, inside] {
    std::pair<std::uint64_t, std::map<std::string, std::uint64_t>> kills{cgroups.oom_kills(), {}};
    for (const auto& [id, pea] : inside) kills.second[id] = pea.oom_kills();
    return kills;
  };
  const auto kills = co_await context_.on_worker(std::move(count));
  auto& state = container.state<State>();
  std::erase_if(state.reported_of_peas, [&](const auto& one) { return !container.record.peas.contains(one.first); });
  bool are_new = kills.first > state.reported_oom_kills;
  if (are_new) state.reported_oom_kills = kills.first;
  for (const auto& [id, number] : kills.second) {
    if (!container.record.peas.contains(id)) continue;
    auto& reported = state.reported_of_peas[id];
    are_new |= number > reported;
    reported = std::max(reported, number);
  }
  if (!are_new) co_return;
  std::string& events = container.record.properties[kEventsProperty];
  events += (events.empty() ? "" : ",") + std::string("Out of memory");
  container.has_unsaved_changes = true;
}

asio::awaitable<void> CgroupPart::process_ended(Container& container) { co_await notice_oom_kills(container); }

asio::awaitable<void> CgroupPart::add_info(Container& container, api::ContainerInfo& info) {
  co_await notice_oom_kills(container);
  info.events = split_events(container.property(kEventsProperty));
}

asio::awaitable<void> CgroupPart::add_metrics(Container& container, api::ContainerMetrics& metrics) {
  auto read = [cgroups = container.cgroups] {
    api::ContainerMetrics read_metrics;
    cgroups.read_metrics(read_metrics);
    return read_metrics;
  };
  const api::ContainerMetrics read_metrics = co_await context_.on_worker(std::move(read));
  metrics.memory = read_metrics.memory;
  metrics.total_usage_toward_limit = read_metrics.total_usage_toward_limit;
  metrics.cpu = read_metrics.cpu;
  metrics.pid = read_metrics.pid;
  const Options& options = context_.options;
  const double megabytes = static_cast<double>(context_.host.memory_bytes) / (1 << 20);
  const double share_percent = options.cpu_entitlement_per_share > 0 ? options.cpu_entitlement_per_share
                                                                     : 100.0 * context_.host.processors / megabytes;
  metrics.cpu_entitlement = static_cast<std::uint64_t>(static_cast<double>(container.record.limits.cpu.shares()) *
                                                       share_percent / 100 * static_cast<double>(metrics.age_ns));
}

}  // namespace rivera::garden
