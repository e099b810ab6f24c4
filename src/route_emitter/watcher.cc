#include "route_emitter/watcher.h"

#include <boost/asio/co_spawn.hpp>

#include "base/work/cancellation.h"
#include "base/work/task_group.h"
#include "models/errors.h"
#include "models/nouns/actual_lrp.h"

namespace rivera::route_emitter {
namespace {

using models::ActualLRP;

constexpr auto kResubscribeAfter = std::chrono::milliseconds(500);
constexpr auto kSyncAgainAfter = std::chrono::seconds(1);  // after a failed fetch
constexpr std::size_t kMaxChangesDuringFetch = 200'000;    // changes kept during one fetch
constexpr std::size_t kGuidsPerFetch = 500;
constexpr int kCatchUpRounds = 3;

bool is_running(const ActualLRP& lrp) { return lrp.state() == models::kRunning; }

// Unset counts as routable: the cell that reported it is older than the field.
bool is_routable(const ActualLRP& lrp) {
  return lrp.optional_routable_case() != ActualLRP::kRoutable || lrp.routable();
}

void add_changed(const ActualLRP& before, const ActualLRP& after, std::vector<TableChange>& out) {
  if (is_running(after) && is_routable(after)) {
    out.push_back(AddInstance{after});
    const bool begins_to_evacuate =
        is_running(before) && before.presence() == ActualLRP::ORDINARY && after.presence() == ActualLRP::EVACUATING;
    if (begins_to_evacuate) out.push_back(RemoveInstance{before});
  } else if (is_running(after)) {
    out.push_back(RemoveInstance{after});
  } else if (is_running(before)) {
    out.push_back(RemoveInstance{before});
  }
}

}  // namespace

std::vector<TableChange> changes_of(const clients::BbsEvent& event) {
  std::vector<TableChange> out;
  if (event.name == "desired_lrp_created") {
    out.push_back(SetRoutes{event.as<models::DesiredLRPCreatedEvent>().desired_lrp()});
  } else if (event.name == "desired_lrp_changed") {
    out.push_back(SetRoutes{event.as<models::DesiredLRPChangedEvent>().after()});
  } else if (event.name == "desired_lrp_removed") {
    out.push_back(RemoveRoutes{event.as<models::DesiredLRPRemovedEvent>().desired_lrp()});
  } else if (event.name == "actual_lrp_instance_created") {
    const auto lrp = event.as<models::ActualLRPInstanceCreatedEvent>().actual_lrp();
    if (is_running(lrp)) out.push_back(AddInstance{lrp});
  } else if (event.name == "actual_lrp_instance_changed") {
    const auto changed = event.as<models::ActualLRPInstanceChangedEvent>();
    const auto& key = changed.actual_lrp_key();
    const auto& instance = changed.actual_lrp_instance_key();
    add_changed(models::with_info(key, instance, changed.before()), models::with_info(key, instance, changed.after()),
                out);
  } else if (event.name == "actual_lrp_instance_removed") {
    const auto lrp = event.as<models::ActualLRPInstanceRemovedEvent>().actual_lrp();
    if (is_running(lrp)) out.push_back(RemoveInstance{lrp});
  }
  return out;
}

Watcher::Watcher(asio::any_io_executor executor, clients::BbsClient& bbs, WatcherOptions options, Emit emit,
                 base::Metrics& metrics, base::Logger logger)
    : bbs_(bbs),
      options_(std::move(options)),
      emit_(std::move(emit)),
      metrics_(metrics),
      logger_(logger.session("watcher")),
      executor_(executor),
      sync_wanted_changed_(executor),
      table_(options_.register_direct_instance_routes) {}

void Watcher::request_sync() {
  sync_wanted_ = true;
  sync_wanted_changed_.notify_all();
}

asio::awaitable<void> Watcher::run() {
  base::TaskGroup syncing(executor_, logger_);
  syncing.spawn_critical("sync", sync_when_due());
  co_await watch_events();
}

asio::awaitable<void> Watcher::watch_events() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    std::string failure;
    try {
      co_await follow_stream();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    logger_.info("event-stream-ended", {{"error", failure}});
    co_await base::sleep_for(kResubscribeAfter);
  }
}

asio::awaitable<void> Watcher::follow_stream() {
  const auto stream = co_await bbs_.subscribe_to_instance_events(options_.cell_id);
  logger_.info("subscribed-to-bbs-events");
  request_sync();
  for (;;) {
    auto event = co_await stream->next();
    if (!event) co_return;
    co_await handle(std::move(*event));
  }
}

asio::awaitable<void> Watcher::handle(clients::BbsEvent event) {
  std::vector<TableChange> changes;
  try {
    changes = changes_of(event);
  } catch (const std::exception& e) {
    logger_.error("undecodable-event", {{"event", event.name}, {"error", e.what()}});
    co_return;
  }
  for (TableChange& change : changes) {
    const auto* added = std::get_if<AddInstance>(&change);
    // The table of a local emitter may not have the process of a new instance: look it up before the instance is added.
    if (added != nullptr && !table_.knows_routes_of(added->lrp.actual_lrp_key().process_guid())) {
      std::vector<std::string> unknown{added->lrp.actual_lrp_key().process_guid()};
      auto infos = co_await fetch_routing_infos(std::move(unknown));
      for (auto& lrp : infos) apply(SetRoutes{std::move(lrp), true});
    }
    apply(std::move(change));
  }
}

routing::DesiredRoutes Watcher::read_routes(const models::DesiredLRP& lrp) const {
  std::vector<std::string> malformed;
  auto routes = routing::desired_routes_of(lrp, &malformed);
  for (const auto& key : malformed) {
    logger_.error("malformed-routes", {{"process-guid", lrp.process_guid()}, {"router", key}});
  }
  return routes;
}

void Watcher::apply(TableChange change) {
  emit_(apply_to(table_, change));
  if (!syncing_) return;
  changes_during_fetch_.push_back(std::move(change));
}

routing::RouteChanges Watcher::apply_to(routing::RouteTable& table, const TableChange& change) {
  if (const auto* set = std::get_if<SetRoutes>(&change)) {
    // A local emitter receives events of all processes. It ignores those without an instance on this cell, and looks
    // them up when one is added.
    const std::string& guid = set->lrp.process_guid();
    const bool concerns_us = options_.cell_id.empty() || set->fetched || table.has_instances_of(guid);
    return concerns_us ? table.set_routes(read_routes(set->lrp)) : routing::RouteChanges{};
  }
  if (const auto* removed = std::get_if<RemoveRoutes>(&change)) {
    return table.remove_routes(removed->lrp.process_guid(), removed->lrp.modification_tag());
  }
  if (const auto* added = std::get_if<AddInstance>(&change)) return table.add_instance(added->lrp);
  return table.remove_instance(std::get<RemoveInstance>(change).lrp);
}

asio::awaitable<void> Watcher::sync_when_due() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  auto next = std::chrono::steady_clock::now();
  for (;;) {
    while (!sync_wanted_ && std::chrono::steady_clock::now() < next) {
      co_await sync_wanted_changed_.wait_for(next - std::chrono::steady_clock::now());
    }
    sync_wanted_ = false;
    std::string failure;
    syncing_ = true;
    try {
      co_await sync();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    syncing_ = false;
    changes_during_fetch_.clear();
    changes_during_fetch_.shrink_to_fit();
    const auto wait = failure.empty() ? options_.sync_interval : std::chrono::nanoseconds(kSyncAgainAfter);
    next = std::chrono::steady_clock::now() + wait;
    if (!failure.empty()) logger_.error("sync.failed", {{"error", failure}});
  }
}

asio::awaitable<void> Watcher::sync() {
  const auto started = std::chrono::steady_clock::now();
  logger_.info("sync.starting");
  Fetched fetched = co_await fetch();
  routing::RouteTable next(options_.register_direct_instance_routes);
  for (const auto& lrp : fetched.desired) next.set_routes(read_routes(lrp));
  for (const auto& lrp : fetched.instances) {
    if (is_running(lrp) && is_routable(lrp)) next.add_instance(lrp);
  }
  co_await catch_up(next);
  emit_(table_.replace_with(std::move(next), fetched.fresh_domains));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  metrics_.observe_seconds("RouteEmitterSyncDuration", took.count());
  if (!options_.cell_id.empty())
    metrics_.set("HTTPRouteCount", static_cast<double>(table_.count(routing::Route::Kind::kHttp)));
  logger_.info("sync.complete");
}

// Applies the changes made during the fetch to the fetched table, and looks up the routes of instances added in that
// time.
asio::awaitable<void> Watcher::catch_up(routing::RouteTable& next) {
  std::size_t learned = 0;
  std::set<std::string> asked;
  for (int round = 0; round < kCatchUpRounds; ++round) {
    if (changes_during_fetch_.size() > kMaxChangesDuringFetch)
      throw std::runtime_error("too many events during one fetch");
    std::vector<std::string> unknown;
    for (; learned < changes_during_fetch_.size(); ++learned) {
      apply_to(next, changes_during_fetch_[learned]);
      const auto* added = std::get_if<AddInstance>(&changes_during_fetch_[learned]);
      if (added == nullptr) continue;
      const std::string& guid = added->lrp.actual_lrp_key().process_guid();
      if (!next.knows_routes_of(guid) && asked.insert(guid).second) unknown.push_back(guid);
    }
    if (unknown.empty()) co_return;
    auto infos = co_await fetch_routing_infos(std::move(unknown));
    for (const auto& lrp : infos) next.set_routes(read_routes(lrp));
  }
  for (; learned < changes_during_fetch_.size(); ++learned) apply_to(next, changes_during_fetch_[learned]);
}

asio::awaitable<Watcher::Fetched> Watcher::fetch() {
  Fetched fetched;
  models::ActualLRPsRequest instances;
  instances.set_cell_id(options_.cell_id);
  fetched.instances = co_await bbs_.actual_lrps(std::move(instances));
  const auto domains = co_await bbs_.domains();
  fetched.fresh_domains.insert(domains.begin(), domains.end());
  if (options_.cell_id.empty()) {
    models::DesiredLRPsRequest everything;
    fetched.desired = co_await bbs_.desired_lrp_routing_infos(std::move(everything));
    co_return fetched;
  }
  std::set<std::string> guids;
  for (const auto& lrp : fetched.instances) guids.insert(lrp.actual_lrp_key().process_guid());
  std::vector<std::string> ours(guids.begin(), guids.end());
  fetched.desired = co_await fetch_routing_infos(std::move(ours));
  co_return fetched;
}

asio::awaitable<std::vector<models::DesiredLRP>> Watcher::fetch_routing_infos(std::vector<std::string> process_guids) {
  std::vector<models::DesiredLRP> all;
  for (std::size_t at = 0; at < process_guids.size(); at += kGuidsPerFetch) {
    models::DesiredLRPsRequest request;
    const std::size_t end = std::min(process_guids.size(), at + kGuidsPerFetch);
    for (std::size_t i = at; i < end; ++i) request.add_process_guids(process_guids[i]);
    auto some = co_await bbs_.desired_lrp_routing_infos(std::move(request));
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  co_return all;
}

}  // namespace rivera::route_emitter
