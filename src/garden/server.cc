#include "garden/server.h"

#include <filesystem>
#include <thread>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/metrics/metrics.h"
#include "garden/api.h"
#include "garden/gardener/gardener.h"
#include "garden/host/cgroup_mounts.h"
#include "net/http/debug_server.h"
#include "net/http/http_server.h"

namespace rivera::garden {

namespace {

net::ClientLimits client_limits(const Options& options) {
  net::ClientLimits limits;
  if (options.read_header_timeout.count() > 0) limits.head = options.read_header_timeout;
  limits.body = options.read_body_timeout;
  limits.transfer = options.transfer_timeout;
  limits.write = options.write_timeout;
  limits.idle = options.idle_timeout;
  return limits;
}

net::HttpServerOptions server_options(const Options& options) {
  net::HttpServerOptions server;
  server.address = options.listen_address();
  server.unix_mode = options.bind_socket_mode;
  server.limits = client_limits(options);
  return server;
}

// The figures of upstream's debug address (docs/spec/garden.md §6.3) that have a meaning here.
asio::awaitable<void> emit_metrics(const Gardener& gardener, base::Metrics& metrics) {
  for (;;) {
    const auto counts = gardener.counts();
    metrics.set("DepotDirs", static_cast<double>(counts.containers));
    metrics.set("UnkillableContainers", static_cast<double>(counts.undestroyable));
    metrics.set("OldestOperationSeconds", counts.oldest_operation_seconds);
    co_await base::sleep_for(std::chrono::seconds(5));
  }
}

std::size_t entries_of(const char* directory) {
  std::error_code ec;
  std::size_t count = 0;
  for (auto entry = std::filesystem::directory_iterator(directory, ec); !ec && entry != std::filesystem::end(entry);
       entry.increment(ec)) {
    ++count;
  }
  return count;
}

// What upstream's suites look for (docs/spec/garden.md §6.3). What would leak here are threads and descriptors.
std::string debug_variables(const Gardener& gardener) {
  const boost::json::object variables{{"numCPUS", std::thread::hardware_concurrency()},
                                      {"numGoRoutines", entries_of("/proc/self/task") + entries_of("/proc/self/fd")},
                                      {"loopDevices", 0},
                                      {"backingStores", 0},
                                      {"depotDirs", gardener.counts().containers}};
  return boost::json::serialize(variables) + "\n";
}

// The first directory on the way to this one that does not exist; "" if it exists.
std::filesystem::path first_absent(const std::filesystem::path& directory) {
  std::filesystem::path way;
  std::error_code ec;
  for (const auto& part : directory) {
    way /= part;
    if (!std::filesystem::exists(way, ec)) return way;
  }
  return {};
}

}  // namespace

asio::awaitable<void> serve(base::Program& program, Options options) {
  const base::Logger& logger = program.logger();
  Gardener gardener(program.executor(), program.workers(), options, logger);
  Api api(program.executor(), gardener, options.read_document_timeout, logger);
  net::HttpServer server(program.executor(), server_options(options), api.handler(), logger);
  server.listen();
  base::Metrics metrics("garden");
  const std::string debug_address =
      options.debug_bind_ip.empty() ? "" : options.debug_bind_ip + ":" + std::to_string(options.debug_bind_port);
  net::DebugServer debug(program.executor(), debug_address, metrics, logger, client_limits(options),
                         [&gardener] { return debug_variables(gardener); });
  co_await gardener.start();
  server.start();
  logger.info("started", {{"address", server.address()}});
  base::TaskGroup background(program.executor(), logger);
  background.spawn("metrics", emit_metrics(gardener, metrics));
  co_await program.stop_requested();
  logger.info("stopping");
  api.close_streams();
  co_await server.stop(std::chrono::seconds(10));
  co_await background.stop();
  co_await debug.stop();
  co_await gardener.stop();
  logger.info("stopped");
}

asio::awaitable<void> set_up(base::Program& program) {
  for (const auto& name : mount_cgroup_hierarchies()) {
    program.logger().info("setup.mounted", {{"control-group", name}});
  }
  program.request_stop(0);
  co_return;
}

asio::awaitable<void> clean_up(base::Program& program, Options options) {
  std::vector<std::pair<std::filesystem::path, std::filesystem::path>> absent;  // with the first absent on the way
  for (const std::string& directory : {options.depot, options.state_dir, options.run_dir}) {
    const auto made = first_absent(directory);
    if (!made.empty()) absent.emplace_back(directory, made);
  }
  {
    Gardener gardener(program.executor(), program.workers(), options, program.logger());
    co_await gardener.remove_everything();
  }
  // What it needed to look for things, and is not there to stay. Others may use the directories on the way by now.
  std::error_code failure;
  for (const auto& [directory, made] : absent) {
    std::filesystem::remove_all(directory, failure);
    for (auto way = directory; way != made && !failure; std::filesystem::remove(way, failure)) way = way.parent_path();
  }
  program.logger().info("cleaned-up");
  program.request_stop(0);
}

}  // namespace rivera::garden
