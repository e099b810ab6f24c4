// What the BBS does in a second: the real program, mutual TLS, a real database beside it, 32 concurrent clients.
//
//   bbs [--engine postgres|mysql|sqlite] [--instances N]
//
// Database, Locket, BBS and load share the machine's cores, as upstream's own figures were taken.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <signal.h>

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
};

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
    list("all actual LRPs", "/v1/actual_lrps/list", static_cast<double>(options_.instances), 0.5);
    list("all desired LRPs", "/v1/desired_lrps/list.r3", static_cast<double>(desired_), 1);
    list("all scheduling infos", "/v1/desired_lrp_scheduling_infos/list", static_cast<double>(desired_), 1);
  }

  void list(std::string_view what, std::string_view path, double records, double target) {
    constexpr int kTimes = 10;
    const double cpu = stage_.bbs().cpu_seconds();
    std::uint64_t bytes = 0;
    double seconds = 0;
    for (int i = 0; i < kTimes; ++i) {
      const auto result = client_->run(1, [path](std::size_t) { return LoadRequest{path, ""}; });
      bytes = result.bytes;
      seconds += result.seconds;
    }
    const double spent = stage_.bbs().cpu_seconds() - cpu;
    const std::string which =
        fmt::format("list {} ({:.0f}, {:.0f} MB)", what, records, static_cast<double>(bytes) / 1e6);
    tell(which, "server CPU a record", spent / kTimes / records * 1e6, "us", target, Better::kLower);
    tell(which, "whole answer", seconds / kTimes * 1e3, "ms");
  }

  // Nothing is asked and nothing is out of order: what the process uses then is convergence. Its runs differ, because
  // one of them reaches the end of the look for foreign writes.
  void convergence() {
    constexpr int kRuns = 10;
    double all = 0, most = 0;
    wait_for_run();
    for (int i = 0; i < kRuns; ++i) {
      const double cpu = stage_.bbs().cpu_seconds();
      wait_for_run();
      const double spent = stage_.bbs().cpu_seconds() - cpu;
      all += spent;
      most = std::max(most, spent);
    }
    const std::string which = fmt::format("convergence of {} actual LRPs, nothing to do", options_.instances);
    tell(which, "CPU a run", all / kRuns * 1e3, "ms", 100, Better::kLower);
    tell(which, "CPU of the longest run", most * 1e3, "ms");
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
};

[[noreturn]] void refuse() {
  std::fputs("usage: bbs [--engine postgres|mysql|sqlite] [--instances N, 20000 or more]\n", stderr);
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
