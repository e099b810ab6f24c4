// How fast containers are: a real garden server, beside the OCI runtime alone with the bundle of one of its containers.
// Needs root. `garden [--containers N] [--rounds N]`.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "garden/testing/test_garden.h"
#include "report.h"

namespace rivera::garden {
namespace {

namespace api = clients::garden;
namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr const char* kBench = "garden";

double milliseconds_of(const std::function<void()>& work) {
  const auto begin = SteadyClock::now();
  work();
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

void say(const char* which, const char* metric, double value, const char* unit,
         std::optional<double> most = std::nullopt) {
  bench::report(kBench, which, metric, value, unit, most, bench::Better::kLower);
}

// The first process, which prints and ends.
api::ContainerSpec an_app(const std::string& handle) {
  api::ContainerSpec spec;
  spec.handle = handle;
  spec.netin = {{0, 8080}};
  spec.limits.memory.limit_in_bytes = 256u << 20;
  spec.limits.cpu.limit_in_shares = 256;
  spec.limits.pid.max = 1024;
  api::NetOutRule rule;
  rule.protocol = api::NetOutProtocol::kTcp;
  rule.networks = {{"10.0.0.0", "10.0.255.255"}};
  rule.ports = {{443, 443}};
  spec.netout_rules = {rule, rule, rule};
  return spec;
}

// The runtime alone, with the bundle, and in the root directory, of a container of garden's: as the specification of
// bundles has it, without what garden adds for one runtime.
class BareRuntime {
 public:
  BareRuntime(std::string program, const TestGarden& garden, const std::string& handle)
      : program_(std::move(program)), directory_(garden.directory() + "/bare-" + program_) {
    fs::create_directories(directory_);
    bundle_ = boost::json::parse(base::read_file(garden.depot() + "/" + handle + "/config.json")).as_object();
    bundle_.erase("annotations");
    // Its own user namespace: the container's is made by garden's shim.
    for (auto& one : bundle_.at("linux").at("namespaces").as_array()) one.as_object().erase("path");
  }
  std::vector<double> run_times, exec_times, delete_times;
  void measure(int rounds) {
    std::ofstream(directory_ + "/process.json")
        << R"({"args":["true"],"env":["PATH=/bin"],"cwd":"/","user":{"uid":0,"gid":0}})";
    for (int i = 0; i < rounds; ++i) {
      const std::string id = fmt::format("bare-{}-{}", ::getpid(), i);
      bundle_["linux"].as_object()["cgroupsPath"] = (program_ == "crun" ? "/" : "") + std::string("garden-bare/") + id;
      std::ofstream(directory_ + "/config.json") << boost::json::serialize(bundle_);
      run_times.push_back(milliseconds_of([&] {
        call({"run", "--detach", "--bundle", directory_, "--pid-file", directory_ + "/pid", id});
      }));
      exec_times.push_back(time_of_exec(id));
      delete_times.push_back(milliseconds_of([&] { call({"delete", "--force", id}); }));
    }
    base::run_command({"find", "/sys/fs/cgroup", "-name", "garden-bare", "-type", "d", "-exec", "rmdir", "{}", "+"});
  }

 private:
  // On a loaded machine crun's exec fails now and then right after its run ("setns: Operation not permitted").
  double time_of_exec(const std::string& id) {
    constexpr int kAttempts = 5;
    for (int attempt = 1;; ++attempt) {
      try {
        return milliseconds_of([&] { call({"exec", "-p", directory_ + "/process.json", id}); });
      } catch (const std::runtime_error&) {
        if (attempt == kAttempts) throw;
      }
    }
  }
  void call(std::vector<std::string> words) {
    words.insert(words.begin(), {program_, "--root", directory_ + "/state"});
    base::must_run(words);
  }
  std::string program_, directory_;
  boost::json::object bundle_;
};

class Measurement {
 public:
  Measurement(int rounds, int containers) : rounds_(rounds), containers_(containers) {}

  void run() {
    garden_.create(an_app("warm"));
    garden_.run("warm", "true");
    BareRuntime bare(runtime_, garden_, "warm");
    bare.measure(rounds_);
    bare_run_ = median(bare.run_times), bare_exec_ = median(bare.exec_times);
    say(runtime_, "run, alone", bare_run_, "ms");
    say(runtime_, "exec, alone", bare_exec_, "ms");
    say(runtime_, "delete, alone", median(bare.delete_times), "ms");
    one_at_a_time();
    many_at_once();
    with_many();
  }

 private:
  void one_at_a_time() {
    std::vector<double> create, first, further, pea, info, destroy;
    for (int i = 0; i < rounds_; ++i) {
      const std::string handle = "one-" + std::to_string(i);
      create.push_back(milliseconds_of([&] { garden_.create(an_app(handle)); }));
      std::unique_ptr<RunningProcess> app;
      first.push_back(milliseconds_of([&] { app = garden_.begin(handle, shell("exec sleep 1000")); }));
      further.push_back(milliseconds_of([&] { garden_.run(handle, program("true")); }));
      pea.push_back(milliseconds_of([&] {
        auto check = program("true");
        check.image.uri = garden_.rootfs();
        check.limits = api::ProcessLimits{};
        garden_.run(handle, check);
      }));
      info.push_back(milliseconds_of([&] { garden_.await(garden_.client().info(handle)); }));
      destroy.push_back(milliseconds_of([&] { garden_.await(garden_.client().destroy(handle)); }));
    }
    alone_ = median(create) + median(first);
    say("one container", "create", median(create), "ms");
    say("one container", "create and first process", alone_, "ms", 1.5 * bare_run_);
    say("one container", "further process, until its exit", median(further), "ms", 1.5 * bare_exec_);
    say("one container", "process with an image of its own, until its exit", median(pea), "ms");
    say("one container", "info", median(info), "ms", 1);
    say("one container", "destroy", median(destroy), "ms", 30);
  }

  static api::ProcessSpec program(const std::string& path) {
    api::ProcessSpec spec;
    spec.path = path;
    return spec;
  }

  // Starts `count` coroutines at once and waits for all.
  void at_once(int count, const std::function<asio::awaitable<void>(int)>& work) {
    int left = count;
    std::exception_ptr failure;
    for (int i = 0; i < count; ++i) {
      asio::co_spawn(garden_.context(), work(i), [&](std::exception_ptr e) {
        if (e) failure = e;
        --left;
      });
    }
    while (left > 0) garden_.await(base::sleep_for(std::chrono::milliseconds(1)));
    if (failure) std::rethrow_exception(failure);
  }

  asio::awaitable<void> create_and_run(std::string handle) {
    co_await garden_.client().create(an_app(handle));
    auto process = co_await garden_.client().run(handle, shell("exec sleep 1000"), clients::ProcessIO{});
  }

  void many_at_once() {
    constexpr int kMany = 20;
    std::vector<double> each;
    for (int round = 0; round < std::max(1, rounds_ / 10); ++round) {
      const auto name = [round](int i) { return fmt::format("many-{}-{}", round, i); };
      const double all = milliseconds_of([&] { at_once(kMany, [&](int i) { return create_and_run(name(i)); }); });
      each.push_back(all / kMany);
      at_once(kMany, [&](int i) { return garden_.client().destroy(name(i)); });
    }
    say("20 at once", "create and first process, for each", median(each), "ms", 1.5 * alone_);
  }

  void with_many() {
    constexpr int kTogether = 10;
    std::vector<std::string> handles;
    for (int i = 0; i < containers_; ++i) handles.push_back("crowd-" + std::to_string(i));
    for (int first = 0; first < containers_; first += kTogether) {
      at_once(std::min(kTogether, containers_ - first), [&](int i) {
        return create_and_run(handles[static_cast<std::size_t>(first) + static_cast<std::size_t>(i)]);
      });
    }
    std::vector<double> metrics, infos;
    for (int i = 0; i < 10; ++i) {
      metrics.push_back(milliseconds_of([&] { garden_.await(garden_.client().bulk_metrics(handles)); }));
      infos.push_back(milliseconds_of([&] { garden_.await(garden_.client().bulk_info(handles)); }));
    }
    const auto which = std::to_string(containers_) + " containers";
    say(which.c_str(), "metrics of all", median(metrics), "ms", 50);
    say(which.c_str(), "info of all", median(infos), "ms");
    say(which.c_str(), "memory of the server", resident_megabytes(), "MiB", 60);
    for (int first = 0; first < containers_; first += kTogether) {
      at_once(std::min(kTogether, containers_ - first), [&](int i) {
        return garden_.client().destroy(handles[static_cast<std::size_t>(first) + static_cast<std::size_t>(i)]);
      });
    }
  }

  double resident_megabytes() const {
    std::ifstream status("/proc/" + std::to_string(garden_.pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
    }
    return 0;
  }

  int rounds_, containers_;
  TestGarden garden_{{"--enable-container-network-metrics", "--port-pool-start", "30000", "--port-pool-size", "400"}};
  const char* runtime_ = "crun";
  double bare_run_ = 0, bare_exec_ = 0, alone_ = 0;
};

}  // namespace
}  // namespace rivera::garden

int main(int argc, char** argv) {
  int rounds = 50, containers = 250;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--rounds") rounds = std::stoi(argv[i + 1]);
    if (flag == "--containers") containers = std::stoi(argv[i + 1]);
  }
  try {
    rivera::garden::Measurement(rounds, containers).run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
