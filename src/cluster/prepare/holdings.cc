#include "cluster/prepare/holdings.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <sys/file.h>
#include <thread>

#include <fmt/format.h>

#include "base/process/subprocess.h"
#include "cluster/prepare/host_network.h"
#include "cluster/prepare/preflight.h"
#include "cluster/settings/process_table.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kPoolAddresses = 1024;  // of 10.254.a.0/22
constexpr std::uint32_t kPools = 64;            // in 10.254.0.0/16
constexpr std::uint32_t kFirstPool = (10u << 24) + (254u << 16);
constexpr std::uint16_t kOtherPorts = 1000;  // of a cluster that does not get the default ports
constexpr std::uint16_t kFirstOtherPort = 10000;
constexpr std::uint16_t kOtherPortPools = 18;  // up to 27999: the kernel gives those from 32768 on to clients
constexpr std::string_view kTagLetters = "0123456789abcdefghijklmnopqrstuvwxyz";

using Range = AddressRange;

Range ports_of(std::uint32_t first, std::uint32_t count) { return {first, std::uint64_t{first} + count - 1}; }

std::uint64_t digest_of(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

bool is_in_our_network(pid_t pid) {
  std::error_code ec;
  const fs::path ours = fs::read_symlink("/proc/self/ns/net", ec);
  return fs::read_symlink(fmt::format("/proc/{}/ns/net", pid), ec) == ours && !ec;
}

std::uint32_t number_of(const std::string& text, std::uint32_t otherwise) {
  std::uint32_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() ? number : otherwise;
}

std::string text_or(const std::string& text, const char* otherwise) { return text.empty() ? otherwise : text; }

Holding holding_of(const Settings& other) {
  return {.owner = "the cluster in " + other.var_dir.string(),
          .tag = other.garden_tag,
          .network_pool = other.network_pool,
          .first_port = other.port_pool_start,
          .port_count = other.port_pool_size};
}

// By its flags; what is not there has the default of docs/spec/garden.md.
Holding holding_of_garden(const RunningProcess& garden) {
  return {.owner = fmt::format("garden (pid {})", garden.pid),
          .tag = garden.flag("tag"),
          .network_pool = text_or(garden.flag("network-pool"), "10.254.0.0/22"),
          .first_port = number_of(garden.flag("port-pool-start"), 61001),
          .port_count = number_of(garden.flag("port-pool-size"), 4534)};
}

std::optional<Holding> holding_of_supervisor(const RunningProcess& supervisor) {
  try {
    return holding_of(load_settings(supervisor.flag("var")));
  } catch (const std::exception&) {
    return std::nullopt;  // its garden tells
  }
}

[[noreturn]] void refuse(const std::string& what, const std::string& owner, const char* setting) {
  throw Problem(fmt::format("{} is held by {}: choose another with --set {}=...", what, owner, setting));
}

const Holding* holder_of_tag(const Settings& s, const std::vector<Holding>& held) {
  const auto found = std::ranges::find_if(held, [&](const Holding& h) { return h.tag == s.garden_tag; });
  return found == held.end() ? nullptr : &*found;
}

const Holding* holder_of_network(const Settings& s, const std::vector<Holding>& held) {
  const auto ours = addresses_of(s.network_pool);
  const auto found = std::ranges::find_if(held, [&](const Holding& h) {
    const auto theirs = addresses_of(h.network_pool);
    return ours && theirs && ours->overlaps(*theirs);
  });
  return found == held.end() ? nullptr : &*found;
}

const Holding* holder_of_ports(const Settings& s, const std::vector<Holding>& held) {
  const Range ours = ports_of(s.port_pool_start, s.port_pool_size);
  const auto found = std::ranges::find_if(
      held, [&](const Holding& h) { return h.port_count > 0 && ours.overlaps(ports_of(h.first_port, h.port_count)); });
  return found == held.end() ? nullptr : &*found;
}

// Whether anything on this machine carries the tag: containers outlive their garden.
bool has_traces(const std::string& tag) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/sys/class/net", ec)) {
    if (entry.path().filename().string().starts_with("w" + tag)) return true;
  }
  for (const auto& entry : fs::directory_iterator("/run", ec)) {
    if (entry.path().filename().string().starts_with("garden-" + tag + "-")) return true;
  }
  if (fs::exists("/sys/fs/cgroup/garden-" + tag)) return true;
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", ec)) {
    if (fs::exists(entry.path() / ("garden-" + tag), ec)) return true;
  }
  return base::run_command({"nft", "list", "table", "ip", "rivera_garden_" + tag}).ok();
}

void choose_tag(Settings& s, const std::vector<Holding>& held) {
  constexpr std::size_t kTags = 2 * kTagLetters.size();  // "r0" to "sz"
  const std::uint64_t start = digest_of(s.var_dir.string());
  for (std::size_t i = 0; i < kTags; ++i) {
    const std::size_t n = (start + i) % kTags;
    s.garden_tag = {n < kTagLetters.size() ? 'r' : 's', kTagLetters[n % kTagLetters.size()]};
    if (holder_of_tag(s, held) == nullptr && !has_traces(s.garden_tag)) return;
  }
  throw Problem("no name for containers is free on this machine: choose one with --set garden_tag=...");
}

void choose_network(Settings& s, const std::vector<Holding>& held) {
  const std::uint64_t start = digest_of(s.var_dir.string()) >> 16;
  for (std::uint32_t i = 0; i < kPools; ++i) {
    const std::uint32_t pool = kFirstPool + static_cast<std::uint32_t>((start + i) % kPools) * kPoolAddresses;
    s.network_pool = fmt::format("10.254.{}.0/22", (pool >> 8) & 0xff);
    if (holder_of_network(s, held) == nullptr && interface_into(s.network_pool, s.garden_tag).empty()) return;
  }
  throw Problem("no network in 10.254.0.0/16 is free for containers: choose one with --set network_pool=...");
}

bool fits(const Settings& s, const std::vector<Holding>& held) {
  try {
    check_settings(s);
  } catch (const base::ConfigError&) {
    return false;  // the cluster's own ports are there
  }
  return holder_of_ports(s, held) == nullptr && !is_listened_on(s.port_pool_start, s.port_pool_size);
}

void choose_ports(Settings& s, const std::vector<Holding>& held) {
  const Settings defaults;
  s.port_pool_start = defaults.port_pool_start;
  s.port_pool_size = defaults.port_pool_size;
  if (fits(s, held)) return;
  const std::uint64_t start = digest_of(s.var_dir.string()) >> 32;
  for (std::uint16_t i = 0; i < kOtherPortPools; ++i) {
    const auto pool = static_cast<std::uint16_t>((start + i) % kOtherPortPools);
    s.port_pool_start = static_cast<std::uint16_t>(kFirstOtherPort + pool * kOtherPorts);
    s.port_pool_size = kOtherPorts;
    if (fits(s, held)) return;
  }
  throw Problem("no ports are free for applications: choose some with --set port_pool_start=...");
}

}  // namespace

std::vector<Holding> holdings_of_others(const Settings& settings) {
  std::vector<Holding> out;
  for (const RunningProcess& process : running_processes()) {
    const bool is_garden =
        process.program() == "garden" && process.arguments.size() > 1 && process.arguments[1] == "server";
    if ((!is_garden && !is_supervisor(process)) || belongs_to(process, settings)) continue;
    auto holding = is_garden ? std::optional<Holding>(holding_of_garden(process)) : holding_of_supervisor(process);
    if (!holding) continue;
    if (!is_in_our_network(process.pid)) {
      holding->network_pool.clear();
      holding->port_count = 0;
    }
    out.push_back(std::move(*holding));
  }
  return out;
}

void require_unheld(const Settings& s, const std::vector<Holding>& held) {
  if (const Holding* holder = holder_of_tag(s, held)) {
    refuse(fmt::format("the name {} of containers", s.garden_tag), holder->owner, "garden_tag");
  }
  if (const Holding* holder = holder_of_network(s, held)) {
    refuse(fmt::format("the network {} of containers", s.network_pool), holder->owner, "network_pool");
  }
  if (const Holding* holder = holder_of_ports(s, held)) {
    refuse(fmt::format("a port from {} to {}, which are for applications,", s.port_pool_start,
                       s.port_pool_start + s.port_pool_size - 1),
           holder->owner, "port_pool_start");
  }
}

void choose_holdings(Settings& s, const std::vector<Holding>& held, bool is_new) {
  if (s.chosen.contains("garden_tag") && (is_new || holder_of_tag(s, held) != nullptr)) choose_tag(s, held);
  if (s.chosen.contains("network_pool") && (is_new || holder_of_network(s, held) != nullptr)) choose_network(s, held);
  if (s.chosen.contains("port_pool") && (is_new || holder_of_ports(s, held) != nullptr)) choose_ports(s, held);
}

ChoosingTurn::ChoosingTurn() : lock_(::open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!lock_) throw Problem("cannot open /run");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > deadline) throw Problem("another ./run on this machine does not finish");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace rivera::cluster
