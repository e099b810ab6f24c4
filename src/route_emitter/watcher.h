// Keeps the route table true to the BBS: events as they come, and a whole fetch now and then (docs/spec/routing.md
// §2.3, §2.4, §2.7).
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
  std::string cell_id;  // set: only instances of this cell
  bool register_direct_instance_routes = false;
  std::chrono::nanoseconds sync_interval = std::chrono::seconds(60);
};

// One change of the table, as events and fetches give it.
struct SetRoutes {
  models::DesiredLRP lrp;
  bool fetched = false;  // asked for because of an instance of ours
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

// What an event of an instance stream means for the table, in order (§2.7). Pure. Throws std::runtime_error if the
// event's payload cannot be decoded. Unknown events mean nothing.
std::vector<TableChange> changes_of(const clients::BbsEvent& event);

// Owns the table. Changes go to `emit` as soon as they are known. Unlike upstream, events are taken in while a fetch
// runs too, and a fetch follows every (re)subscription, since the gap may have hidden something.
//
// Lives on its executor; run() must have ended before it goes.
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
  std::vector<TableChange> meanwhile_;  // applied while a fetch runs; its result must learn them too
};

}  // namespace rivera::route_emitter
