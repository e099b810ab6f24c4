#include "cluster/settings/settings.h"

#include <arpa/inet.h>
#include <charconv>
#include <map>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/config/config.h"
#include "base/files.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// The settings by their names in cluster.json, where all are texts.
std::map<std::string, std::string*> text_fields(Settings& s) {
  return {{"host_address", &s.host_address},
          {"cell_id", &s.cell_id},
          {"zone", &s.zone},
          {"stack", &s.stack},
          {"domain_suffix", &s.domain_suffix},
          {"garden_tag", &s.garden_tag},
          {"network_pool", &s.network_pool},
          {"allow_privileged_containers", &s.allow_privileged_containers},
          {"cell_memory_mb", &s.cell_memory_mb},
          {"cell_disk_mb", &s.cell_disk_mb},
          {"converge_interval", &s.converge_interval},
          {"rep_polling_interval", &s.rep_polling_interval},
          {"route_sync_interval", &s.route_sync_interval}};
}

std::map<std::string, std::uint16_t*> number_fields(Settings& s) {
  return {{"port_base", &s.ports.base}, {"port_pool_start", &s.port_pool_start}, {"port_pool_size", &s.port_pool_size}};
}

}  // namespace

std::vector<std::uint16_t> Ports::all() const {
  return {rep_admin(),        rep(),           route_emitter_health(),
          auctioneer(),       nats(),          nats_status(),
          router(),           router_status(), router_routes(),
          file_server(),      bbs(),           bbs_health(),
          locket(),           locket_debug(),  bbs_debug(),
          auctioneer_debug(), rep_debug(),     route_emitter_debug(),
          gorouter_debug(),   garden_debug()};
}

std::string Settings::bbs_url() const { return fmt::format("https://127.0.0.1:{}", ports.bbs()); }
std::string Settings::locket_address() const { return fmt::format("127.0.0.1:{}", ports.locket()); }
std::string Settings::router_url() const { return fmt::format("http://127.0.0.1:{}", ports.router()); }
std::string Settings::app_hostname(const std::string& name) const { return name + "." + domain_suffix; }
std::string Settings::app_url(const std::string& hostname) const {
  return fmt::format("http://{}:{}", hostname, ports.router());
}
std::string Settings::file_server_url() const { return fmt::format("http://127.0.0.1:{}", ports.file_server()); }

fs::path settings_file(const fs::path& var_dir) { return var_dir / "cluster.json"; }

bool settings_exist(const fs::path& var_dir) { return fs::exists(settings_file(var_dir)); }

Settings load_settings(const fs::path& var_dir) {
  const std::string name = settings_file(var_dir).string();
  const auto file = base::ConfigFile::load(name);
  Settings out;
  out.var_dir = var_dir;
  out.bin_dir = file.required_text("bin_dir");
  for (const auto& [key, value] : file.values()) {
    if (key != "bin_dir") apply_setting(out, key, file.text(key));
  }
  return out;
}

void save_settings(const Settings& s) {
  json::object object{{"bin_dir", s.bin_dir.string()}};
  Settings copy = s;
  for (auto& [key, field] : text_fields(copy)) object[key] = *field;
  for (auto& [key, field] : number_fields(copy)) object[key] = std::to_string(*field);
  base::write_file_atomically(settings_file(s.var_dir), json::serialize(object) + "\n");
}

void apply_setting(Settings& settings, const std::string& key, const std::string& value) {
  const auto texts = text_fields(settings);
  if (const auto found = texts.find(key); found != texts.end()) {
    *found->second = value;
    return;
  }
  const auto numbers = number_fields(settings);
  const auto found = numbers.find(key);
  if (found == numbers.end()) throw base::ConfigError(fmt::format("{}: there is no such setting", key));
  unsigned number = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (ec != std::errc() || end != value.data() + value.size() || number < 1 || number > 65535) {
    throw base::ConfigError(fmt::format("{}: expected a number from 1 to 65535", key));
  }
  *found->second = static_cast<std::uint16_t>(number);
}

void make_directories(const Settings& settings) {
  for (const fs::path& directory : {settings.app_log_dir(), settings.rootfs_dir(), settings.static_dir()}) {
    fs::create_directories(directory);
  }
  for (const fs::path& directory :
       {settings.certs_dir(), settings.config_dir(), settings.run_dir(), settings.state_dir()}) {
    fs::create_directories(directory);
    fs::permissions(directory, fs::perms::owner_all);
  }
}

std::string detect_host_address() {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in outside{};
  outside.sin_family = AF_INET;
  outside.sin_port = htons(53);
  ::inet_pton(AF_INET, "198.51.100.1", &outside.sin_addr);  // connecting a UDP socket sends nothing
  sockaddr_in local{};
  socklen_t size = sizeof local;
  char text[INET_ADDRSTRLEN] = "";
  const bool ok = fd && ::connect(fd.get(), reinterpret_cast<sockaddr*>(&outside), sizeof outside) == 0 &&
                  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
                  ::inet_ntop(AF_INET, &local.sin_addr, text, sizeof text) != nullptr;
  return ok ? text : "127.0.0.1";
}

}  // namespace rivera::cluster
