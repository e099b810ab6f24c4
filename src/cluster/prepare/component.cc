#include "cluster/prepare/component.h"

#include <unistd.h>

#include <fmt/format.h>

#include "cluster/prepare/component_configs.h"

namespace rivera::cluster {
namespace {

using std::chrono::seconds;

std::string url(const char* scheme, std::uint16_t port, const char* path = "") {
  return fmt::format("{}://127.0.0.1:{}{}", scheme, port, path);
}

// A component of ours: "<bin>/<name> -config <file>".
Component server(const Settings& s, const std::string& name, std::uint16_t port, Probe probe, seconds stop_grace) {
  const char* flag = name == "gorouter" ? "-c" : "-config";
  return {.name = name,
          .argv = {(s.bin_dir / name).string(), flag, config_file(s, name).string()},
          .address = fmt::format("127.0.0.1:{}", port),
          .probe = std::move(probe),
          .stop_grace = stop_grace};
}

// Containers reach only what their egress rules open, gain no privileges, have a ceiling where they ask for no
// limit, and only our user may ask for them.
std::vector<std::string> garden_security_flags(const Settings& s) {
  const auto memory =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<std::string> flags{"--deny-network",
                                 "0.0.0.0/0",
                                 "--container-id-ranges",
                                 "--no-new-privileges",
                                 "--deny-raw-sockets",
                                 "--restrict-syscalls",
                                 "--default-container-memory-limit",
                                 std::to_string(memory / 2),
                                 "--default-container-pid-limit",
                                 "4096",
                                 "--container-connection-limit",
                                 "10000",
                                 "--bind-socket-mode",
                                 "0600"};
  if (s.allow_privileged_containers != "true") flags.emplace_back("--disable-privileged-containers");
  return flags;
}

std::vector<std::string> garden_flags(const Settings& s) {
  const auto data = s.state_dir() / "garden";
  return {"--bind-socket",
          s.garden_socket().string(),
          "--depot",
          (data / "depot").string(),
          "--port-pool-properties-path",
          (data / "port-pool.json").string(),
          "--default-rootfs",
          s.rootfs_tar().string(),
          "--cleanup-process-dirs-on-wait",
          "--tag",
          s.garden_tag,
          "--network-pool",
          s.network_pool,
          "--insecure-docker-registry",
          "127.0.0.1",
          "--insecure-docker-registry",
          "localhost",
          "--port-pool-start",
          std::to_string(s.port_pool_start),
          "--port-pool-size",
          std::to_string(s.port_pool_size),
          "--external-ip",
          s.host_address,
          "--log-level",
          "info"};
}

std::vector<std::string> garden_command(const Settings& s, const char* subcommand) {
  std::vector<std::string> argv{(s.bin_dir / "garden").string(), subcommand};
  for (std::string& flag : garden_flags(s)) argv.push_back(std::move(flag));
  for (std::string& flag : garden_security_flags(s)) argv.push_back(std::move(flag));
  return argv;
}

Component nats(const Settings& s) {
  return {.name = "nats",
          .argv = {"nats-server", "-c", config_file(s, "nats").string()},
          .address = fmt::format("127.0.0.1:{}", s.ports.nats()),
          .probe = {.url = url("http", s.ports.nats_status(), "/healthz")},
          .stop_grace = seconds(5)};
}

Component garden(const Settings& s) {
  return {.name = "garden",
          .argv = garden_command(s, "server"),
          .address = "unix:" + s.garden_socket().string(),
          .probe = {.url = "unix:" + s.garden_socket().string(), .target = "/ping"},
          .stop_grace = seconds(15)};
}

}  // namespace

std::vector<Component> components(const Settings& s) {
  const Ports& p = s.ports;
  return {
      nats(s),
      server(s, "locket", p.locket(), {.url = url("tcp", p.locket())}, seconds(5)),
      server(s, "bbs", p.bbs(), {.url = url("https", p.bbs(), "/v1/ping"), .method = "POST"}, seconds(10)),
      server(s, "auctioneer", p.auctioneer(), {.url = url("https", p.auctioneer(), "/")}, seconds(5)),
      garden(s),
      server(s, "rep", p.rep(), {.url = url("https", p.rep_admin(), "/ping")}, seconds(30)),
      server(s, "file-server", p.file_server(), {.url = url("http", p.file_server(), "/v1/static/")}, seconds(5)),
      server(s, "gorouter", p.router(), {.url = url("http", p.router_status(), "/health")}, seconds(10)),
      server(s, "route-emitter", p.route_emitter_health(), {.url = url("http", p.route_emitter_health(), "/")},
             seconds(5)),
  };
}

std::vector<std::string> garden_cleanup_command(const Settings& settings) {
  return garden_command(settings, "cleanup");
}

}  // namespace rivera::cluster
