// Event streams of the BBS as a big cluster has them: 1,250 streams filtered on a cell each and 10 unfiltered ones,
// over plain HTTP. The server has a thread of its own, whose CPU time is what an event costs; the clients, in another,
// only count what arrives.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>

#include "bbs/api/bbs_probe.h"
#include "bbs/api/event_service.h"
#include "counting_clients.h"
#include "models/testing/testing.h"
#include "net/http/http_server.h"
#include "report.h"

namespace rivera {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int kCells = 1250;
constexpr int kUnfiltered = 10;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

std::string cell_name(int n) { return fmt::format("cell-{:04}-5f0c5d4e-7d2a-4f6b-9a5b", n); }

class Server {
 public:
  Server() {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    server_ = std::make_unique<net::HttpServer>(home_, std::move(options), router_.handler(), base::Logger::discard());
    server_->listen();
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Server() {
    io_.stop();
    thread_.join();
  }

  // Runs `work` on the home strand to its end.
  template <typename Work>
  void at_home(Work work) {
    std::atomic<bool> done = false;
    asio::post(home_, [&] {
      work(hub_);
      done = true;
      done.notify_one();
    });
    done.wait(false);
  }
  void publish(const bbs::Events& events) {
    at_home([&](bbs::EventHub& hub) { hub.publish(events); });
  }
  std::size_t subscribers() {
    std::size_t count = 0;
    at_home([&](bbs::EventHub& hub) { count = hub.subscribers(); });
    return count;
  }
  double cpu_seconds() {
    timespec time{};
    at_home([&](bbs::EventHub&) { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); });
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  std::string address() const { return server_->address(); }

 private:
  asio::io_context io_{1};
  asio::any_io_executor home_ = asio::make_strand(io_);
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::Metrics metrics_{"bbs"};
  net::HttpRouter router_;
  bbs::BbsProbe probe_{metrics_, {}};
  base::WorkerPool workers_{1};
  bbs::Api api_{router_, workers_, {[] { return true; }}, probe_, base::Logger::discard()};
  bbs::EventHub hub_{home_};
  bbs::EventService service_{router_, api_, hub_};
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

// What a Start of a claimed instance on that cell causes.
bbs::Events start_on(int cell, int index) {
  auto claimed = models::testing::an_actual_lrp("5f0c5d4e-7d2a-4f6b-9a5b-3c9a3f1e8d21", index)
                     .claimed_by(cell_name(cell), "a5a6b7c8-7d2a-4f6b-9a5b-3c9a3f1e8d21");
  auto running = models::testing::an_actual_lrp("5f0c5d4e-7d2a-4f6b-9a5b-3c9a3f1e8d21", index)
                     .running_on(cell_name(cell), "a5a6b7c8-7d2a-4f6b-9a5b-3c9a3f1e8d21");
  const auto before = bbs::make_actual_lrp(claimed), after = bbs::make_actual_lrp(running);
  return {{bbs::Hub::kGroup, bbs::GroupEvent{{before, nullptr}, {after, nullptr}}},
          {bbs::Hub::kInstance, bbs::InstanceEvent{before, after, ""}}};
}

bbs::Events a_desire() {
  const auto desired = bbs::make_desired_lrp(models::testing::a_desired_lrp("p").with_instances(1), 0);
  return {{bbs::Hub::kDesired, bbs::DesiredLRPEvent{nullptr, desired, ""}}};
}

// Publishes in rounds of `at_once` mutations, each when the one before has arrived everywhere.
void measure_stream(Server& server, bench::CountingClients& clients, const std::string& which,
                    const std::vector<bbs::Events>& mutations, int at_once, int receivers) {
  std::uint64_t expected = clients.events();
  std::vector<double> rounds;
  const double cpu_before = server.cpu_seconds();
  const auto begin = SteadyClock::now();
  for (std::size_t at = 0; at < mutations.size(); at += static_cast<std::size_t>(at_once)) {
    const auto round = SteadyClock::now();
    server.at_home([&](bbs::EventHub& hub) {
      for (int i = 0; i < at_once; ++i) hub.publish(mutations[at + static_cast<std::size_t>(i)]);
    });
    expected += static_cast<std::uint64_t>(at_once * receivers);
    clients.wait_for(expected);
    rounds.push_back(seconds_since(round) * 1e3);
  }
  const double seconds = seconds_since(begin);
  const double cpu = server.cpu_seconds() - cpu_before;
  const auto count = static_cast<double>(mutations.size());
  std::sort(rounds.begin(), rounds.end());
  bench::report("events", which, "mutations", count / seconds, "1/s");
  bench::report("events", which, "server_cpu_per_mutation", cpu / count * 1e6, "us");
  bench::report("events", which, "round_p50", rounds[rounds.size() / 2], "ms");
  bench::report("events", which, "round_p99", rounds[rounds.size() * 99 / 100], "ms");
}

void measure_silence(Server& server, const std::vector<bbs::Events>& mutations) {
  const double before = server.cpu_seconds();
  server.at_home([&](bbs::EventHub& hub) {
    for (const auto& events : mutations) hub.publish(events);
  });
  const double cpu = server.cpu_seconds() - before;
  bench::report("events", "no subscribers", "server_cpu_per_mutation",
                cpu / static_cast<double>(mutations.size()) * 1e6, "us");
}

void measure() {
  std::vector<bbs::Events> mutations;
  for (int n = 0; n < 20'000; ++n) mutations.push_back(start_on(n % kCells, n / kCells));
  Server server;
  measure_silence(server, mutations);

  bench::CountingClients clients(server.address());
  for (int n = 0; n < kUnfiltered; ++n) clients.add("/v1/events/lrp_instances.r1", "");
  for (int n = 0; n < kCells; ++n) clients.add("/v1/events/lrp_instances.r1", cell_name(n));
  clients.start();
  while (server.subscribers() < kCells + kUnfiltered) std::this_thread::yield();

  const auto few = [&](std::size_t n) {
    return std::vector<bbs::Events>(mutations.begin(), mutations.begin() + static_cast<std::ptrdiff_t>(n));
  };
  measure_stream(server, clients, "instance events one by one, 1250 filtered + 10 unfiltered", few(4000), 1,
                 kUnfiltered + 1);
  measure_stream(server, clients, "instance events 200 at once, 1250 filtered + 10 unfiltered", mutations, 200,
                 kUnfiltered + 1);
  measure_stream(server, clients, "desired events one by one, 1250 filtered + 10 unfiltered",
                 std::vector<bbs::Events>(100, a_desire()), 1, kUnfiltered + kCells);
}

}  // namespace
}  // namespace rivera

int main() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  rivera::measure();
}
