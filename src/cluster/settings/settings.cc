#include "cluster/settings/settings.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <charconv>
#include <map>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/files.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::int64_t kLowestPort = 1024;
constexpr std::int64_t kHighestPort = 65535;

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
          {"authorization", &s.authorization},
          {"cell_memory_mb", &s.cell_memory_mb},
          {"cell_disk_mb", &s.cell_disk_mb},
          {"converge_interval", &s.converge_interval},
          {"rep_polling_interval", &s.rep_polling_interval},
          {"route_sync_interval", &s.route_sync_interval}};
}

std::map<std::string, std::uint16_t*> number_fields(Settings& s) {
  return {{"port_base", &s.ports.base}, {"port_pool_start", &s.port_pool_start}, {"port_pool_size", &s.port_pool_size}};
}

bool is_address(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// An IPv4 network with room for one container at least.
bool is_network(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos || !is_address(text.substr(0, slash))) return false;
  int bits = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data() + slash + 1, end, bits);
  return ec == std::errc() && rest == end && bits >= 8 && bits <= 30;
}

bool is_megabytes(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() && end == text.data() + text.size() && number > 0;
}

// What is part of names and paths: letters, digits, "-", "_" and ".", with a letter or a digit first.
bool is_name(const std::string& text, std::size_t longest) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0; };
  return !text.empty() && text.size() <= longest && is_plain(static_cast<unsigned char>(text[0])) &&
         std::ranges::all_of(text, [&](unsigned char c) { return is_plain(c) || c == '-' || c == '_' || c == '.'; });
}

struct TextRule {
  const char* key;
  bool (*is_right)(const std::string&);
  const char* expected;
};

constexpr TextRule kTextRules[] = {
    {"host_address", is_address, "an IPv4 address"},
    {"network_pool", is_network, "an IPv4 network such as 10.254.0.0/22"},
    {"cell_memory_mb", [](const std::string& t) { return t.empty() || is_megabytes(t); }, "megabytes, or nothing"},
    {"cell_disk_mb", [](const std::string& t) { return t.empty() || is_megabytes(t); }, "megabytes, or nothing"},
    {"garden_tag", [](const std::string& t) { return is_name(t, 2); }, "1 or 2 letters or digits"},
    {"cell_id", [](const std::string& t) { return is_name(t, 63); }, "a name of up to 63 letters, digits, - _ and ."},
    {"zone", [](const std::string& t) { return is_name(t, 63); }, "a name of up to 63 letters, digits, - _ and ."},
    {"stack", [](const std::string& t) { return is_name(t, 63); }, "a name of up to 63 letters, digits, - _ and ."},
    {"domain_suffix", [](const std::string& t) { return is_name(t, 200); }, "a domain such as localhost"},
    {"authorization", [](const std::string& t) { return t == "roles" || t == "any"; }, "roles or any"},
    {"allow_privileged_containers", [](const std::string& t) { return t == "true" || t == "false"; }, "true or false"},
};

}  // namespace

const base::ConfigKeys& setting_keys() {
  using namespace base;
  using std::chrono::milliseconds;
  static const ConfigKeys keys = {
      text_key("bin_dir"),
      text_key("host_address"),
      text_key("cell_id"),
      text_key("zone"),
      text_key("stack"),
      text_key("domain_suffix"),
      text_key("garden_tag"),
      text_key("network_pool"),
      text_key("cell_memory_mb"),
      text_key("cell_disk_mb"),
      text_key("allow_privileged_containers"),
      text_key("authorization"),
      duration_key("converge_interval").at_least(milliseconds(100)),
      duration_key("rep_polling_interval").at_least(milliseconds(100)),
      duration_key("route_sync_interval").at_least(milliseconds(100)),
      integer_key("port_base").between(kLowestPort, kHighestPort - Ports::kBlock + 1),
      integer_key("port_pool_start").between(kLowestPort, kHighestPort),
      integer_key("port_pool_size").between(1, kHighestPort),
  };
  return keys;
}

std::string settings_help() {
  Settings defaults;
  std::string out;
  for (const base::ConfigKey& key : setting_keys()) {
    if (key.name == "bin_dir") continue;
    const auto rule = std::ranges::find_if(kTextRules, [&](const TextRule& one) { return key.name == one.key; });
    std::string expected = rule != std::end(kTextRules) ? rule->expected : "a duration such as 10s";
    std::string value;
    const auto numbers = number_fields(defaults);
    if (const auto number = numbers.find(key.name); number != numbers.end()) {
      expected = "a number";
      value = std::to_string(*number->second);
    } else {
      value = *text_fields(defaults).at(key.name);
    }
    out += fmt::format("  {:28} {}{}\n", key.name, expected, value.empty() ? "" : fmt::format(" ({})", value));
  }
  return out;
}

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

namespace {

Settings read_settings(const fs::path& var_dir, const std::string& name) {
  json::error_code ec;
  const json::value value = json::parse(base::read_file(name), ec);
  if (ec || !value.is_object()) throw base::ConfigError(name + ": expected a JSON object");
  Settings out;
  out.var_dir = var_dir;
  std::string chosen;
  for (const auto& member : value.get_object()) {
    if (!member.value().is_string())
      throw base::ConfigError(fmt::format("{}: {}: expected a string", name, std::string_view(member.key())));
    const std::string text(member.value().get_string());
    if (member.key() == "bin_dir") {
      out.bin_dir = text;
    } else if (member.key() == "chosen") {
      chosen = text;
    } else if (member.key() == "directory") {
      out.saved_for = text;
    } else {
      apply_setting(out, std::string(member.key()), text);
    }
  }
  std::istringstream words(chosen);
  for (std::string word; words >> word;) out.chosen.insert(word);
  if (out.bin_dir.empty()) throw base::ConfigError(name + ": bin_dir: expected a directory");
  check_settings(out);
  return out;
}

}  // namespace

Settings load_settings(const fs::path& var_dir) {
  const std::string name = settings_file(var_dir).string();
  try {
    return read_settings(var_dir, name);
  } catch (const base::ConfigError& e) {
    const std::string what = e.what();
    throw base::ConfigError(
        fmt::format("{}{}: correct it; or run ./run down and remove the file, and ./run begins with the settings' "
                    "defaults and keeps the databases",
                    what.starts_with(name) ? "" : name + ": ", what));
  }
}

void save_settings(const Settings& s) {
  json::object object{{"bin_dir", s.bin_dir.string()},
                      {"directory", s.var_dir.string()},
                      {"chosen", fmt::format("{}", fmt::join(s.chosen, " "))}};
  Settings copy = s;
  for (auto& [key, field] : text_fields(copy)) object[key] = *field;
  for (auto& [key, field] : number_fields(copy)) object[key] = std::to_string(*field);
  base::write_file_atomically(settings_file(s.var_dir), json::serialize(object) + "\n");
}

void apply_setting(Settings& settings, const std::string& key, const std::string& value) {
  const base::ConfigFile given("setting", {{key, value}}, setting_keys(), base::ConfigSource::kYaml);
  if (!given.notices().empty() || key == "bin_dir") {
    throw base::ConfigError(fmt::format("{}: there is no such setting", key));
  }
  for (const TextRule& rule : kTextRules) {
    if (key == rule.key && !rule.is_right(value)) given.fail(key, rule.expected);
  }
  const auto numbers = number_fields(settings);
  if (const auto found = numbers.find(key); found != numbers.end()) {
    *found->second = given.count<std::uint16_t>(key);
  } else {
    *text_fields(settings).at(key) = value;
  }
  settings.chosen.erase(key.starts_with("port_pool_") ? "port_pool" : key);
}

void check_settings(const Settings& s) {
  const int pool_end = s.port_pool_start + s.port_pool_size;  // one above the last
  if (pool_end > kHighestPort + 1) {
    throw base::ConfigError("port_pool_size: expected ports up to 65535 from port_pool_start on");
  }
  if (s.ports.base < pool_end && s.port_pool_start < s.ports.base + Ports::kBlock) {
    throw base::ConfigError(
        fmt::format("port_base: expected a block of {} ports outside the ports of applications, {} to {}",
                    Ports::kBlock, s.port_pool_start, pool_end - 1));
  }
}

void make_directories(const Settings& settings) {
  for (const fs::path& directory : {settings.log_dir(), settings.rootfs_dir(), settings.static_dir()}) {
    fs::create_directories(directory);
  }
  for (const fs::path& directory : {settings.certs_dir(), settings.config_dir(), settings.run_dir(),
                                    settings.state_dir(), settings.app_log_dir()}) {
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
