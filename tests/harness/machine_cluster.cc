#include "harness/machine_cluster.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/ids.h"
#include "base/testing/places.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/rootfs.h"
#include "cluster/status.h"
#include "harness/database_machine.h"
#include "harness/leftovers.h"
#include "harness/log_tail.h"
#include "harness/machine_configs.h"
#include "net/http/http_client.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr std::uint16_t kPortBase = 8800;  // so that the BBS is at 8889 and Locket at 8891, as upstream
constexpr seconds kStartLimit{90};
constexpr seconds kProbeLimit{1};
constexpr seconds kCallLimit{5};
constexpr std::size_t kLinesOnFailure = 8;
constexpr char kRouter[] = "router";
constexpr char kDatabase[] = "database";
constexpr char kSwitch[] = "switch";

cluster::Settings settings_for(const fs::path& directory, const std::string& machine, int number) {
  cluster::Settings settings;
  settings.bin_dir = base::bin_dir();
  settings.var_dir = directory / machine;
  settings.ports.base = kPortBase;
  settings.host_address = MachineNetwork::address(number);
  settings.cell_id = machine;
  settings.port_pool_size = 500;
  settings.converge_interval = "1s";
  settings.rep_polling_interval = "1s";
  settings.route_sync_interval = "5s";
  return settings;
}

asio::awaitable<unsigned> status_of(std::string url, net::TlsFiles tls, std::string method) {
  const auto executor = co_await asio::this_coro::executor;
  net::HttpClientOptions options;
  options.tls = net::TlsContext::client(tls);
  options.connect_timeout = kProbeLimit;
  net::HttpClient client(executor, options);
  const auto [endpoint, target] = net::Endpoint::parse_url(url);
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  const auto response = co_await client.send(endpoint, std::move(request), seconds(10));
  co_return response.status;
}

asio::awaitable<bool> bbs_answers(clients::BbsClientOptions options) {
  options.request_timeout = kProbeLimit;
  options.attempts = 1;
  const auto executor = co_await asio::this_coro::executor;
  clients::BbsClient bbs(executor, options);
  const bool answers = co_await bbs.ping();
  co_return answers;
}

// False instead of an exception.
template <typename Call>
bool holds(Call call) {
  try {
    return call();
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

MachineCluster::MachineCluster(ClusterPlan plan) : MachineCluster(std::move(plan), make_cluster_directory()) {}

MachineCluster::MachineCluster(ClusterPlan plan, fs::path directory)
    : ClusterClient(settings_for(directory, kRouter, 1)), plan_(std::move(plan)), directory_(std::move(directory)) {
  if (plan_.store == Store::kPostgres) add(kDatabase, {}, nullptr);
  for (int i = 1; i <= plan_.controls; ++i) add(fmt::format("control-{}", i), {"locket", "bbs", "auctioneer"}, nullptr);
  add(kRouter, {"nats", "file-server", "gorouter"}, nullptr);
  for (std::size_t i = 0; i < plan_.cells.size(); ++i) {
    add(fmt::format("cell-{}", i + 1), {"garden", "rep", "route-emitter"}, &plan_.cells[i]);
  }
  settings_ = machines_.at(kRouter).settings;
  try {
    write_files();
    start_all();
  } catch (...) {
    print_logs();
    machines_.clear();
    network_.reset();
    switch_.reset();
    remove_cluster_directory(directory_);
    throw;
  }
}

MachineCluster::~MachineCluster() {
  if (::testing::Test::HasFailure()) print_logs();
  machines_.clear();
  network_.reset();
  switch_.reset();
  try {
    remove_cluster_directory(directory_);
  } catch (const std::exception& e) {
    ADD_FAILURE() << "the cluster's directory: " << e.what();
  }
}

void MachineCluster::add(const std::string& name, std::vector<std::string> programs, const CellPlan* cell) {
  names_.push_back(name);
  Place& place = machines_[name];
  place.settings = settings_for(directory_, name, static_cast<int>(names_.size()));
  place.programs = std::move(programs);
  if (cell == nullptr) return;
  place.delay = cell->delay;
  place.settings.zone = cell->zone;
  place.settings.cell_memory_mb = std::to_string(cell->memory_mb);
  place.settings.cell_disk_mb = std::to_string(cell->disk_mb);
  place.settings.garden_tag = take_garden_tag(directory_);
}

void MachineCluster::write_files() {
  NameFiles names;
  names.hosts = "127.0.0.1 localhost\n";
  for (const auto& [name, place] : machines_) {
    const std::string& address = place.settings.host_address;
    names.hosts += fmt::format("{} {}\n", address, name);
    for (const std::string& program : place.programs)
      names.hosts += fmt::format("{} {}\n", address, service_name(program));
    if (plan_.cell_names_resolve) names.hosts += fmt::format("{} {}.cell.service.cf.internal\n", address, name);
  }
  const std::string refusing = fmt::format("nameserver {}\n", MachineNetwork::kRefusingNameServer);
  const std::string silent = fmt::format("nameserver {}\n", MachineNetwork::kSilentNameServer);
  const std::string passphrase = base::new_guid();
  fs::create_directories(directory_ / kDatabase / "files");
  const std::string database = plan_.store == Store::kSqlite ? (directory_ / kDatabase / "files").string()
                                                             : machines_.at(kDatabase).settings.host_address;
  std::size_t next_cell = 0;
  fs::path authority;
  for (const std::string& name : names_) {
    Place& place = machines_.at(name);
    const cluster::Settings& settings = place.settings;
    cluster::make_directories(settings);
    if (!authority.empty()) {
      for (const char* file : {"ca.crt", "ca.key"}) fs::copy(authority / file, settings.certs_dir() / file);
    }
    authority = settings.certs_dir();
    cluster::make_certificates(settings);
    base::write_file_atomically(settings.state_dir() / "encryption_key", passphrase, 0600);
    const bool is_cell = name.starts_with("cell-");
    write_machine_configs(settings, plan_, name, is_cell ? &plan_.cells[next_cell++] : nullptr, database);
    if (is_cell) {
      cluster::make_rootfs(settings);
      cluster::place_healthcheck(settings);
    }
    names.resolv_conf = plan_.cell_names_resolve ? refusing : silent;
    place.machine = std::make_unique<Machine>(name, settings.var_dir, names);
  }
}

void MachineCluster::start_all() {
  fs::create_directories(directory_ / kSwitch);
  switch_ = std::make_unique<Machine>(kSwitch, directory_ / kSwitch, NameFiles{});
  switch_->boot();
  network_ = std::make_unique<MachineNetwork>(*switch_);
  for (const std::string& name : names_) {
    Place& place = machines_.at(name);
    place.machine->boot();
    network_->attach(*place.machine, place.settings.host_address, place.delay);
    if (name == kDatabase) make_database_server(*place.machine, {"locket", "bbs"});
    for (const std::string& program : place.programs) start(name, program);
  }
  const bool present = eventually([&] { return present_cells().size() == plan_.cells.size(); }, kStartLimit);
  if (!present) throw std::runtime_error("the cells of the test cluster do not appear");
  const bool routes = eventually([&] { return get("no-such-app.localhost").status == 404; }, kStartLimit);
  if (!routes) throw std::runtime_error("the router of the test cluster does not serve");
}

std::vector<std::string> MachineCluster::cell_names() const {
  std::vector<std::string> out;
  std::copy_if(names_.begin(), names_.end(), std::back_inserter(out),
               [](const std::string& name) { return name.starts_with("cell-"); });
  return out;
}

std::vector<std::string> MachineCluster::control_names() const {
  std::vector<std::string> out;
  std::copy_if(names_.begin(), names_.end(), std::back_inserter(out),
               [](const std::string& name) { return name.starts_with("control-"); });
  return out;
}

std::vector<std::string> MachineCluster::present_cells() const {
  const auto cells = with_bbs(
      [](clients::BbsClient& bbs) -> asio::awaitable<std::vector<models::CellPresence>> { return bbs.cells(); });
  std::vector<std::string> out;
  for (const models::CellPresence& cell : cells) out.push_back(cell.cell_id());
  std::sort(out.begin(), out.end());
  return out;
}

std::string MachineCluster::active_control() const {
  std::vector<std::string> candidates = control_names();
  {
    const std::lock_guard lock(mutex_);
    std::stable_partition(candidates.begin(), candidates.end(), [&](const auto& name) { return name == last_active_; });
  }
  for (const std::string& name : candidates) {
    auto options = cluster::bbs_client_options(settings_);
    options.url = fmt::format("https://{}:{}", address_of(name), settings_.ports.bbs());
    if (!holds([&] { return cluster::run_coroutine(bbs_answers(options)); })) continue;
    const std::lock_guard lock(mutex_);
    last_active_ = name;
    return name;
  }
  throw std::runtime_error("no BBS answers");
}

std::string MachineCluster::active_auctioneer() const {
  for (const std::string& name : control_names()) {
    const std::string url = fmt::format("https://{}:{}/", address_of(name), settings_.ports.auctioneer());
    const auto tls = cluster::tls_files(settings_, "client");
    if (holds([&] { return cluster::run_coroutine(status_of(url, tls, "GET")) > 0; })) return name;
  }
  throw std::runtime_error("no auctioneer answers");
}

void MachineCluster::isolate(const std::string& name) {
  for (const std::string& other : names_) {
    if (other != name) network_->cut(address_of(name), address_of(other));
  }
}

void MachineCluster::boot(const std::string& name) {
  Place& place = machines_.at(name);
  place.machine->boot();
  network_->attach(*place.machine, place.settings.host_address, place.delay);
  for (const std::string& program : place.programs) start(name, program);
}

void MachineCluster::start(const std::string& machine_name, const std::string& program) {
  std::vector<std::string> command = command_of(machines_.at(machine_name).settings, program);
  if (program == "garden") command.insert(command.end(), plan_.garden_flags.begin(), plan_.garden_flags.end());
  machine(machine_name).start(program, command);
}

void MachineCluster::run_cfdot(const std::string& command) {
  const cluster::Settings& settings = machines_.at(kRouter).settings;
  const net::TlsFiles tls = cluster::tls_files(settings, "client");
  machine(kRouter).run("cfdot",
                       {"/usr/bin/env", fmt::format("BBS_URL=https://{}:{}", service_name("bbs"), settings.ports.bbs()),
                        fmt::format("LOCKET_API_LOCATION={}:{}", service_name("locket"), settings.ports.locket()),
                        "CA_CERT_FILE=" + tls.ca_file, "CLIENT_CERT_FILE=" + tls.certificate_file,
                        "CLIENT_KEY_FILE=" + tls.key_file, (settings.bin_dir / "cfdot").string(), command});
}

void MachineCluster::evacuate(const std::string& cell) {
  machine(cell).leave_ended("rep");
  const std::string url = fmt::format("https://{}:{}/evacuate", address_of(cell), settings_.ports.rep_admin());
  const unsigned status = cluster::run_coroutine(status_of(url, cluster::tls_files(settings_, "client"), "POST"));
  if (status != 202) throw std::runtime_error(fmt::format("{} answers {}", url, status));
}

std::vector<std::string> MachineCluster::containers_on(const std::string& cell) const {
  std::vector<std::string> out;
  const fs::path depot = machines_.at(cell).settings.state_dir() / "garden" / "depot";
  for (const auto& entry : fs::directory_iterator(depot)) {
    const std::string name = entry.path().filename();
    // Garden renames what it removes to a name with a dot, answers, and removes it then.
    if (entry.is_directory() && !name.starts_with('.')) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

clients::BbsClientOptions MachineCluster::bbs_options() const {
  auto options = cluster::bbs_client_options(settings_);
  options.url = fmt::format("https://{}:{}", address_of(active_control()), settings_.ports.bbs());
  // The next call finds another BBS if this one has fallen silent.
  options.attempts = 1;
  options.request_timeout = kCallLimit;
  return options;
}

std::string MachineCluster::router_url() const {
  return fmt::format("http://{}:{}", settings_.host_address, settings_.ports.router());
}

void MachineCluster::print_logs() const {
  for (const std::string& name : names_) {
    const Place& place = machines_.at(name);
    if (!place.machine) continue;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(place.settings.log_dir(), ec)) {
      if (entry.path().extension() != ".log") continue;
      fmt::print(stderr, "{}, {}:\n{}", name, entry.path().stem().string(), log_tail(entry.path(), kLinesOnFailure));
    }
  }
  const char* keep = std::getenv("RIVERA_KEEP_LOGS");
  if (keep == nullptr) return;
  for (const std::string& name : names_) {
    std::error_code ec;
    fs::create_directories(fs::path(keep) / name, ec);
    fs::copy(machines_.at(name).settings.log_dir(), fs::path(keep) / name,
             fs::copy_options::recursive | fs::copy_options::overwrite_existing, ec);
  }
}

}  // namespace rivera::harness
