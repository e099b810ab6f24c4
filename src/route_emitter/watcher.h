// Keeps the route table in agreement with the BBS: by events, and by a complete fetch at intervals
// (docs/spec/routing.md §2.3, §2.4, §2.7).
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/wait.h"
#include "clients/bbs_client.h"
#include "routing/route_table.h"

namespace rivera::route_emitter {

struct WatcherOptions {
  std::string cell_id;  // if set, only instances of this cell
  bool register_direct_instance_routes = false;
  std::chrono::nanoseconds sync_interval = std::chrono::seconds(60);
};

// One change of the table, from an event or a fetch.
struct SetRoutes {
  models::DesiredLRP lrp;
  bool fetched = false;  // looked up for an instance of this cell
};
struct RemoveRoutes {
  models::DesiredLRP lrp;
};
struct AddInstance {
  models::ActualLRP lrp;
};
struct RemoveInstance {
  models::ActualLRP lrp;
};
using TableChange = std::variant<SetRoutes, RemoveRoutes, AddInstance, RemoveInstance>;

// The changes that an event of an instance stream makes, in order (§2.7). Pure. Throws std::runtime_error if the
// event's payload cannot be decoded. Unknown events make none.
std::vector<TableChange> changes_of(const clients::BbsEvent& event);

// Owns the table. Passes each change to `emit` at once. Unlike upstream, applies events during a fetch too, and fetches
// after every (re)subscription, since events may have been missed in between.
//
// Lives on its executor; run() must have ended before it is destroyed.
class Watcher {
 public:
  using Emit = std::function<void(const routing::RouteChanges&)>;
  Watcher(asio::any_io_executor executor, clients::BbsClient& bbs, WatcherOptions options, Emit emit,
          base::Metrics& metrics, base::Logger logger);

  // Runs until cancelled.
  asio::awaitable<void> run();
  void request_sync();

  const routing::RouteTable& table() const { return table_; }

 private:
  struct Fetched {
    std::vector<models::ActualLRP> instances;
    std::vector<models::DesiredLRP> desired;
    std::set<std::string> fresh_domains;
  };
  asio::awaitable<void> watch_events();
  asio::awaitable<void> follow_stream();
  asio::awaitable<void> handle(clients::BbsEvent event);
  void apply(TableChange change);
  routing::RouteChanges apply_to(routing::RouteTable& table, const TableChange& change);
  asio::awaitable<void> sync_when_due();
  asio::awaitable<void> sync();
  asio::awaitable<Fetched> fetch();
  asio::awaitable<void> catch_up(routing::RouteTable& next);
  asio::awaitable<std::vector<models::DesiredLRP>> fetch_routing_infos(std::vector<std::string> process_guids);
  routing::DesiredRoutes read_routes(const models::DesiredLRP& lrp) const;

  clients::BbsClient& bbs_;
  WatcherOptions options_;
  Emit emit_;
  base::Metrics& metrics_;
  base::Logger logger_;
  asio::any_io_executor executor_;
  base::Condition sync_wanted_changed_;
  routing::RouteTable table_;
  bool sync_wanted_ = true;
  bool syncing_ = false;
  std::vector<TableChange> changes_during_fetch_;  // applied to the table during a fetch; its result needs them too
};

}  // namespace rivera::route_emitter
