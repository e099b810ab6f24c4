#include "simulation/real/real_run.h"

#include <fstream>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "clients/locket/presence_keeper.h"
#include "models/forms/json.h"
#include "models/nouns/actions.h"
#include "simulation/real/simulated_cell.h"
#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kCellsPerLocketChannel = 250;
constexpr std::size_t kCallsAtOnce = 32;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

CallTimes call_times(const std::vector<float>& seconds) {
  CallTimes times{.calls = seconds.size()};
  if (seconds.empty()) return times;
  double sum = 0;
  for (const float each : seconds) sum += static_cast<double>(each);
  times.mean_ms = sum * 1e3 / static_cast<double>(seconds.size());
  times.p50_ms = static_cast<double>(percentile(seconds, 0.5)) * 1e3;
  times.p99_ms = static_cast<double>(percentile(seconds, 0.99)) * 1e3;
  return times;
}

// From the auctioneer's own log.
Auctions read_auctions(const std::filesystem::path& log_file) {
  Auctions auctions;
  std::ifstream log(log_file);
  std::string line;
  while (std::getline(log, line)) {
    if (line.find("auctioneer.auction.scheduled\"") != std::string::npos) ++auctions.batches;
    if (line.find("fetched-zone-state\"") == std::string::npos) continue;
    const double took = boost::json::parse(line).at("data").at("duration").to_number<double>() / 1e9;
    auctions.state_seconds += took;
    auctions.longest_state_seconds = std::max(auctions.longest_state_seconds, took);
  }
  return auctions;
}

// The cells and their presences, on one executor.
class Fleet {
 public:
  Fleet(asio::any_io_executor executor, const RealOptions& options, const RealCluster& cluster)
      : executor_(executor), cluster_(cluster) {
    const auto tls = net::TlsContext::mutual_server(cluster.tls());
    for (std::size_t i = 0; i < options.cells; ++i) {
      SimulatedCellOptions cell{.cell_id = fmt::format("cell-{:04}", i),
                                .cell_index = static_cast<std::int64_t>(i / options.zones),
                                .zone = fmt::format("z{}", i % options.zones + 1),
                                .total = {128'000, 500'000, 250},
                                .tls = tls,
                                .start_time = options.start_time};
      cells_.push_back(std::make_unique<SimulatedCell>(executor, std::move(cell), cluster.bbs(), statistics,
                                                       base::Logger::discard()));
    }
  }

  // All cells listen, are present, and have made their first request.
  asio::awaitable<void> come_up() {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      cells_[i]->listen();
      if (i % kCellsPerLocketChannel == 0) {
        lockets_.push_back(std::make_unique<clients::LocketClient>(executor_, cluster_.locket()));
      }
      const auto presence = cells_[i]->presence();
      clients::PresenceKeeperOptions keeping{
          .key = presence.cell_id(), .owner = presence.cell_id(), .value = models::to_json_text(presence)};
      presences_.push_back(std::make_unique<clients::PresenceKeeper>(executor_, *lockets_.back(), std::move(keeping),
                                                                     base::Logger::discard()));
      presences_.back()->start();
    }
    for (const auto& presence : presences_) co_await presence->established();
    std::function<asio::awaitable<void>(std::size_t)> introduce = [this](std::size_t i) {
      return cells_[i]->introduce();
    };
    co_await for_some_at_once(cells_.size(), std::move(introduce));
  }

  asio::awaitable<void> stop() {
    presences_.clear();
    for (const auto& cell : cells_) co_await cell->stop();
  }

  // Runs work(0) … work(count - 1) with limited concurrency. Rethrows the first exception once all have ended.
  asio::awaitable<void> for_some_at_once(std::size_t count, std::function<asio::awaitable<void>(std::size_t)> work) {
    base::TaskGroup group(executor_, base::Logger::discard());
    Turns turns{.count = count, .work = std::move(work)};
    for (std::size_t i = 0; i < std::min(count, kCallsAtOnce); ++i) group.spawn("calls", take_turns(turns));
    co_await group.join();
    if (turns.failure) std::rethrow_exception(turns.failure);
  }

  FleetStatistics statistics;

 private:
  struct Turns {
    std::size_t count;
    std::function<asio::awaitable<void>(std::size_t)> work;
    std::size_t next = 0;
    std::exception_ptr failure = {};
  };

  static asio::awaitable<void> take_turns(Turns& turns) {
    try {
      while (turns.next < turns.count && !turns.failure) co_await turns.work(turns.next++);
    } catch (...) {
      if (!turns.failure) turns.failure = std::current_exception();
    }
  }

  asio::any_io_executor executor_;
  const RealCluster& cluster_;
  std::vector<std::unique_ptr<SimulatedCell>> cells_;
  std::vector<std::unique_ptr<clients::LocketClient>> lockets_;
  std::vector<std::unique_ptr<clients::PresenceKeeper>> presences_;
};

models::DesiredLRP process(const RealOptions& options, std::size_t number) {
  const std::size_t instances =
      options.instances / options.processes + (number < options.instances % options.processes ? 1 : 0);
  const std::string guid = fmt::format("process-{:06}", number);
  models::DesiredLRP lrp;
  lrp.set_process_guid(guid);
  lrp.set_domain("domain");
  lrp.set_root_fs("preloaded:linux");
  lrp.set_instances(static_cast<int>(instances));
  lrp.set_memory_mb(64);
  lrp.set_disk_mb(64);
  lrp.set_log_guid(guid);
  (*lrp.mutable_metric_tags())["source_id"].set_static_(guid);
  lrp.mutable_action()->mutable_run_action()->set_path("/bin/app");
  lrp.mutable_action()->mutable_run_action()->set_user("vcap");
  return lrp;
}

class Measurement {
 public:
  Measurement(asio::any_io_executor executor, const RealOptions& options, const RealCluster& cluster,
              const std::function<void(const std::string&)>& progress)
      : options_(options),
        cluster_(cluster),
        progress_(progress),
        fleet_(executor, options, cluster),
        bbs_(executor, cluster.bbs()) {}

  // The cells are stopped in any case.
  asio::awaitable<void> run(RealResult& result) {
    std::exception_ptr failure;
    try {
      co_await measure(result);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await fleet_.stop();
    if (failure) std::rethrow_exception(failure);
  }

 private:
  asio::awaitable<void> measure(RealResult& result) {
    const auto began = Clock::now();
    co_await fleet_.come_up();
    co_await until_every_cell_is_listed();
    result.presence_seconds = seconds_between(began, Clock::now());
    progress_(fmt::format("{} cells are present after {:.1f} s", options_.cells, result.presence_seconds));

    const auto used_before = processes_use();
    began_ = Clock::now();
    co_await desire_all();
    desired_ = Clock::now();
    progress_(
        fmt::format("{} instances desired after {:.1f} s", options_.instances, seconds_between(began_, desired_)));
    co_await until_all_run(result);
    result.total_seconds = seconds_between(began_, Clock::now());
    report(result, used_before);
  }

  asio::awaitable<void> until_every_cell_is_listed() {
    const auto deadline = Clock::now() + 120s;
    for (;;) {
      const auto cells = co_await bbs_.cells();
      if (cells.size() == options_.cells) co_return;
      if (Clock::now() > deadline) throw std::runtime_error(fmt::format("the BBS lists {} cells only", cells.size()));
      co_await base::sleep_for(100ms);
    }
  }

  asio::awaitable<void> desire_all() {
    std::function<asio::awaitable<void>(std::size_t)> desire = [this](std::size_t i) {
      return bbs_.desire_lrp(process(options_, i));
    };
    co_await fleet_.for_some_at_once(options_.processes, std::move(desire));
  }

  asio::awaitable<void> until_all_run(RealResult& result) {
    const auto deadline = began_ + options_.timeout;
    auto next_progress = Clock::now() + 10s;
    while (Clock::now() < deadline) {
      if (fleet_.statistics.started >= options_.instances) {
        result.running = co_await count_running();
        if (result.running >= options_.instances) co_return;
        co_await base::sleep_for(500ms);
      }
      if (Clock::now() > next_progress) {
        progress_(fmt::format("{:.0f} s: {} accepted, {} claimed, {} started", seconds_between(began_, Clock::now()),
                              fleet_.statistics.accepted, fleet_.statistics.claimed, fleet_.statistics.started));
        next_progress += 10s;
      }
      co_await base::sleep_for(50ms);
    }
    result.running = co_await count_running();
  }

  asio::awaitable<std::size_t> count_running() {
    models::ActualLRPsRequest everything;
    const auto all = co_await bbs_.actual_lrps(std::move(everything));
    std::size_t running = 0;
    for (const auto& lrp : all) running += lrp.state() == "RUNNING" ? 1 : 0;
    co_return running;
  }

  std::vector<std::pair<std::string, ProcessUse>> processes_use() const {
    std::vector<std::pair<std::string, ProcessUse>> all;
    for (const auto& process : cluster_.processes()) all.emplace_back(process->name(), process->use());
    all.emplace_back("rivera-sim", use_of_process(getpid()));
    return all;
  }

  void report(RealResult& result, const std::vector<std::pair<std::string, ProcessUse>>& used_before) const {
    const FleetStatistics& seen = fleet_.statistics;
    const auto add = [&](const char* what, Clock::time_point when) {
      result.milestones.push_back({what, seconds_between(began_, when)});
    };
    add("everything desired", desired_);
    if (seen.work_requests > 0) {
      add("first work sent to a cell", seen.first_work);
      add("last work sent to a cell", seen.last_work);
    }
    if (seen.claimed > 0) add("last claim answered", seen.last_claim);
    if (seen.started > 0) add("last start answered", seen.last_start);
    result.milestones.push_back({"every instance RUNNING in the BBS", result.total_seconds});
    result.rejected = seen.rejected;
    result.given_up = seen.given_up;
    result.last_failure = seen.last_failure;
    result.state_requests = seen.state_requests;
    result.claims = call_times(seen.claim_seconds);
    result.starts = call_times(seen.start_seconds);
    result.auctions = read_auctions(cluster_.auctioneer_log());
    result.use = processes_use();
    for (std::size_t i = 0; i < result.use.size(); ++i) {
      result.use[i].second.processor_seconds -= used_before[i].second.processor_seconds;
    }
  }

  const RealOptions& options_;
  const RealCluster& cluster_;
  const std::function<void(const std::string&)>& progress_;
  Fleet fleet_;
  clients::BbsClient bbs_;
  Clock::time_point began_;
  Clock::time_point desired_;
};

}  // namespace

RealResult run_real(const RealOptions& options, const std::function<void(const std::string&)>& progress) {
  RealResult result;
  const auto began = Clock::now();
  RealClusterOptions cluster_options{.programs = options.programs, .engine = options.engine};
  if (cluster_options.programs.empty()) {
    cluster_options.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  }
  cluster_options.placement.starting_container_weight = 0.25;
  cluster_options.placement.starting_container_count_maximum = options.starting_limit;
  RealCluster cluster(cluster_options);
  result.components_seconds = seconds_between(began, Clock::now());
  progress(fmt::format("locket, auctioneer and bbs are up after {:.1f} s", result.components_seconds));

  asio::io_context io(1);
  std::exception_ptr failure;
  Measurement measurement(io.get_executor(), options, cluster, progress);
  asio::co_spawn(io, measurement.run(result), [&failure, &io](std::exception_ptr e) {
    failure = e;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return result;
}

}  // namespace rivera::simulation
