// What the BBS does in a second: the real program, mutual TLS, a real database beside it, 32 concurrent clients.
//
//   bbs [--engine postgres|mysql|sqlite] [--instances N] [--against DIRECTORY]
//
// --against: afterwards the BBS in that directory, of another build, takes turns with this one over the same store, and
// what each costs is compared.
//
// Database, Locket, BBS and load share the machine's cores, as upstream's own figures were taken.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <signal.h>
#include <utility>

#include <fmt/format.h>

#include "load_client.h"
#include "models/forms/wire.h"
#include "models/testing/testing.h"
#include "report.h"
#include "stage.h"
#include "subscriber.h"

namespace rivera::bench {
namespace {

constexpr std::string_view kDomain = "cf-apps";
constexpr int kClients = 32;
constexpr int kCells = 1000;
constexpr int kInstances = 5;  // of each further application, until the store is full

struct Options {
  sql::Engine engine = sql::Engine::kPostgres;
  int instances = 250'000;
  std::string against = {};  // "": nothing
};

// What a list answers with, and what it may cost the server for each record, in microseconds.
struct List {
  std::string_view what, path;
  bool is_of_instances;
  double target;
};
constexpr List kLists[] = {{"all actual LRPs", "/v1/actual_lrps/list", true, 0.5},
                           {"all desired LRPs", "/v1/desired_lrps/list.r3", false, 1},
                           {"all scheduling infos", "/v1/desired_lrp_scheduling_infos/list", false, 1}};

// The same guid for the same number: as long as those of Cloud Foundry.
std::string process_guid(std::size_t n) {
  return fmt::format("0a1b2c3d-4e5f-6071-8293-{:012d}-99887766-5544-3322-1100-aabbccddeeff", n);
}
std::string instance_guid(std::size_t n, int index) {
  return fmt::format("instance-{:012d}-{:04d}-7788-1a2b", n, index);
}

// An application as Cloud Foundry desires it: some environment, one route, a check.
models::DesiredLRP application(std::size_t n, int instances) {
  auto builder =
      models::testing::a_desired_lrp(process_guid(n)).in_domain(std::string(kDomain)).with_instances(instances);
  models::DesiredLRP lrp =
      builder.with_route("cf-router", R"([{"hostnames":["app.example.com"],"port":8080}])").build();
  for (int i = 0; i < 10; ++i) {
    auto* variable = lrp.add_environment_variables();
    variable->set_name(fmt::format("VARIABLE_{}", i));
    variable->set_value(std::string(60, 'v'));
  }
  return lrp;
}

template <typename Request>
void fill_key(Request& request, std::size_t n, int index) {
  request.mutable_actual_lrp_instance_key()->set_instance_guid(instance_guid(n, index));
  request.mutable_actual_lrp_instance_key()->set_cell_id(fmt::format("cell-{}", n % kCells));
}

LoadRequest desire_request(std::size_t n, int instances) {
  models::DesireLRPRequest request;
  *request.mutable_desired_lrp() = application(n, instances);
  return {"/v1/desired_lrp/desire.r2", models::encode(request)};
}

LoadRequest claim_request(std::size_t n, int index) {
  models::ClaimActualLRPRequest request;
  request.set_process_guid(process_guid(n));
  request.set_index(index);
  fill_key(request, n, index);
  return {"/v1/actual_lrps/claim", models::encode(request)};
}

LoadRequest start_request(std::size_t n, int index) {
  models::StartActualLRPRequest request;
  request.mutable_actual_lrp_key()->set_process_guid(process_guid(n));
  request.mutable_actual_lrp_key()->set_index(index);
  request.mutable_actual_lrp_key()->set_domain(std::string(kDomain));
  fill_key(request, n, index);
  auto* net = request.mutable_actual_lrp_net_info();
  net->set_address("10.0.1.2");
  net->set_instance_address("10.255.1.2");
  auto* port = net->add_ports();
  port->set_container_port(8080);
  port->set_host_port(61001);
  (*request.mutable_metric_tags())["source_id"] = process_guid(n);  // as desired: nothing is to be updated
  request.set_routable(true);
  request.set_availability_zone("z1");
  return {"/v1/actual_lrps/start.r1", models::encode(request)};
}

LoadRequest get_request(std::size_t n) {
  models::DesiredLRPByProcessGuidRequest request;
  request.set_process_guid(process_guid(n));
  return {"/v1/desired_lrps/get_by_process_guid.r3", models::encode(request)};
}

class Run {
 public:
  explicit Run(const Options& options) : options_(options), stage_(options.engine) {
    name_ = options.engine == sql::Engine::kPostgres ? "PostgreSQL"
            : options.engine == sql::Engine::kMysql  ? "MariaDB"
                                                     : "SQLite";
  }

  void all() {
    stage_.add_cells(kCells);
    connect();
    desire_and_start();
    heartbeats();
    single_reads();
    fill();
    lists();
    convergence();
    tell("memory", "resident with all records", stage_.bbs().resident_bytes() / (1 << 20), "MiB", 800, Better::kLower);
    client_.reset();
    tell("takeover", "from the lock to serving", stage_.take_over(), "s", 10, Better::kLower);
    connect();
    const auto list = client_->run(1, [](std::size_t) { return LoadRequest{"/v1/actual_lrps/list", ""}; });
    tell("takeover", "first list of all actual LRPs after it", list.seconds * 1e3, "ms");
    if (!options_.against.empty()) against(options_.against);
  }

 private:
  void connect() { client_ = std::make_unique<LoadClient>(stage_.api_address(), stage_.client_tls(), kClients); }

  void tell(std::string_view what, std::string_view metric, double value, std::string_view unit,
            std::optional<double> target = std::nullopt, Better better = Better::kHigher) {
    report("bbs", fmt::format("{}, {}", name_, what), metric, value, unit, target, better);
  }

  LoadResult load(std::string_view what, std::size_t count, std::optional<double> rate_target,
                  std::optional<double> p99_target, const std::function<LoadRequest(std::size_t)>& make) {
    const double cpu = stage_.bbs().cpu_seconds();
    LoadResult result = client_->run(count, make);
    const double spent = stage_.bbs().cpu_seconds() - cpu;
    tell(what, "requests", result.rate(), "1/s", rate_target);
    tell(what, "p50", result.percentile(0.5), "ms");
    tell(what, "p99", result.percentile(0.99), "ms", p99_target, Better::kLower);
    tell(what, "server CPU a request", spent / static_cast<double>(count) * 1e6, "us");
    return result;
  }

  // The first applications, with two instances each, and what a subscriber sees of their starts.
  void desire_and_start() {
    constexpr std::size_t kCount = 10'000;
    load("desire an LRP (2 instances)", kCount, 4000, 30, [](std::size_t n) { return desire_request(n, 2); });
    load("claim", 2 * kCount, 8000, std::nullopt, [](std::size_t n) { return claim_request(n / 2, n % 2); });
    load("start", kCount, 8000, std::nullopt, [](std::size_t n) { return start_request(n, 0); });
    Subscriber subscriber(stage_.api_address(), stage_.client_tls());
    std::vector<Subscriber::Clock::time_point> asked(kCount);
    load("start, with a subscriber on the same cores", kCount, std::nullopt, std::nullopt, [&asked](std::size_t n) {
      asked[n] = Subscriber::Clock::now();
      return start_request(n, 1);
    });
    std::vector<double> waits;
    for (std::size_t n = 0; n < kCount; ++n) {
      const auto told = subscriber.running_since(instance_guid(n, 1));
      waits.push_back(std::chrono::duration<double, std::milli>(told - asked[n]).count());
    }
    std::sort(waits.begin(), waits.end());
    const LoadResult latency{1, std::move(waits), 0};
    tell("event, request to subscriber, under that load", "p50", latency.percentile(0.5), "ms");
    tell("event, request to subscriber, under that load", "p99", latency.percentile(0.99), "ms", 20, Better::kLower);
    desired_ = kCount;
  }

  void heartbeats() {
    load("repeated start", 60'000, 20'000, std::nullopt,
         [](std::size_t n) { return start_request(n % 10'000, n / 10'000 % 2); });
  }

  void single_reads() {
    load("one desired LRP by key", 60'000, 25'000, std::nullopt, [](std::size_t n) { return get_request(n % 10'000); });
  }

  // More applications, with five instances each, all RUNNING, until there are as many instances as wanted.
  void fill() {
    const std::size_t first = desired_;
    const std::size_t more = (static_cast<std::size_t>(options_.instances) - 2 * first) / kInstances;
    client_->run(more, [first](std::size_t n) { return desire_request(first + n, kInstances); });
    client_->run(more * kInstances, [first](std::size_t n) {
      return start_request(first + n / kInstances, static_cast<int>(n % kInstances));
    });
    desired_ += more;
  }

  void lists() {
    for (const List& list : kLists) {
      const ListCost cost = cost_of(list);
      const std::string which = fmt::format("list {} ({:.0f}, {:.0f} MB)", list.what, records_of(list), cost.megabytes);
      tell(which, "server CPU a record", cost.cpu, "us", list.target, Better::kLower);
      tell(which, "whole answer", cost.whole, "ms");
    }
  }

  struct ListCost {
    double cpu = 0;    // microseconds a record, of the server
    double whole = 0;  // milliseconds, of the answer
    double megabytes = 0;
  };

  double records_of(const List& list) const {
    const auto instances = static_cast<std::size_t>(options_.instances);
    return static_cast<double>(list.is_of_instances ? instances + 2 * added_ : desired_ + added_);
  }

  ListCost cost_of(const List& list) {
    constexpr int kTimes = 10;
    const double cpu = stage_.bbs().cpu_seconds();
    ListCost cost;
    for (int i = 0; i < kTimes; ++i) {
      const auto result = client_->run(1, [&list](std::size_t) { return LoadRequest{list.path, ""}; });
      cost.megabytes = static_cast<double>(result.bytes) / 1e6;
      cost.whole += result.seconds * 1e3 / kTimes;
    }
    cost.cpu = (stage_.bbs().cpu_seconds() - cpu) / kTimes / records_of(list) * 1e6;
    return cost;
  }

  // Nothing is asked and nothing is out of order: what the process uses then is convergence.
  void convergence() {
    const auto [mean, most] = cost_of_runs(10);
    const std::string which = fmt::format("convergence of {} actual LRPs, nothing to do", options_.instances);
    tell(which, "CPU a run", mean, "ms", 100, Better::kLower);
    tell(which, "CPU of the longest run", most, "ms");
  }

  // Mean and greatest, in milliseconds of CPU.
  std::pair<double, double> cost_of_runs(int runs) {
    double all = 0, most = 0;
    wait_for_run();
    for (int i = 0; i < runs; ++i) {
      const double cpu = stage_.bbs().cpu_seconds();
      wait_for_run();
      const double spent = (stage_.bbs().cpu_seconds() - cpu) * 1e3;
      all += spent;
      most = std::max(most, spent);
    }
    return {all / runs, most};
  }

  // This build and another one in turns, so that what else the machine does meets both.
  void against(const std::string& other) {
    constexpr int kTurns = 3;
    Costs ours, theirs;
    for (int turn = 0; turn < kTurns; ++turn) {
      take_turn(base::bin_dir(), ours);
      take_turn(other, theirs);
    }
    for (const auto& [what, cost] : ours) {
      tell("against " + other, what + ", this one", cost / kTurns, "us");
      tell("against " + other, what + ", that one", theirs.at(what) / kTurns, "us");
      tell("against " + other, what + ", ratio", cost / theirs.at(what), "");
    }
  }

  using Costs = std::map<std::string, double>;  // microseconds of CPU

  void take_turn(const std::string& programs, Costs& costs) {
    client_.reset();
    stage_.take_over(programs);
    connect();
    for (const List& list : kLists) {
      cost_of(list);
      costs[fmt::format("list {}, a record", list.what)] += cost_of(list).cpu;
    }
    constexpr std::size_t kMore = 4'000;
    const std::size_t first = desired_ + added_;
    added_ += kMore;
    const auto load = [&](const std::string& what, std::size_t count, auto make) {
      const double cpu = stage_.bbs().cpu_seconds();
      client_->run(count, make);
      costs[what] += (stage_.bbs().cpu_seconds() - cpu) / static_cast<double>(count) * 1e6;
    };
    load("desire an LRP", kMore, [first](std::size_t n) { return desire_request(first + n, 2); });
    load("start", 2 * kMore, [first](std::size_t n) { return start_request(first + n / 2, static_cast<int>(n % 2)); });
    load("repeated start", 20'000, [](std::size_t n) { return start_request(n % 10'000, 0); });
    load("one desired LRP by key", 20'000, [](std::size_t n) { return get_request(n % 10'000); });
    wait_for_run();
    costs["convergence, a run"] += cost_of_runs(4).first * 1e3;
  }

  // Returns shortly after the end of a run.
  void wait_for_run() {
    const double runs = stage_.convergence_runs();
    while (stage_.convergence_runs() == runs) std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }

  Options options_;
  std::string name_;
  Stage stage_;
  std::unique_ptr<LoadClient> client_;
  std::size_t desired_ = 0;
  std::size_t added_ = 0;  // since then, with two instances each
};

[[noreturn]] void refuse() {
  std::fputs("usage: bbs [--engine postgres|mysql|sqlite] [--instances N, 20000 or more] [--against DIRECTORY]\n",
             stderr);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) refuse();
    const std::string_view flag = argv[i], value = argv[i + 1];
    if (flag == "--engine" && value == "postgres") {
      options.engine = sql::Engine::kPostgres;
    } else if (flag == "--engine" && value == "mysql") {
      options.engine = sql::Engine::kMysql;
    } else if (flag == "--engine" && value == "sqlite") {
      options.engine = sql::Engine::kSqlite;
    } else if (flag == "--instances") {
      std::from_chars(value.data(), value.data() + value.size(), options.instances);
      if (options.instances < 20'000) refuse();
    } else if (flag == "--against") {
      options.against = value;
    } else {
      refuse();
    }
  }
  return options;
}

}  // namespace
}  // namespace rivera::bench

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  try {
    rivera::bench::Run(rivera::bench::parse(argc, argv)).all();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bbs: %s\n", e.what());
    return 1;
  }
}
