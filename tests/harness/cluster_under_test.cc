#include "harness/cluster_under_test.h"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <unistd.h>

#include <fmt/format.h>

#include "base/testing/places.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/preflight.h"
#include "cluster/status.h"
#include "cluster/supervision/supervisor_client.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;

const fs::path kBinDir = base::bin_dir();

std::mt19937& generator() {
  static std::mt19937 engine{std::random_device{}()};
  return engine;
}

unsigned pick(unsigned count) { return std::uniform_int_distribution<unsigned>(0, count - 1)(generator()); }

}  // namespace

std::uint16_t free_port_base() {
  for (int attempt = 0; attempt < 200; ++attempt) {
    cluster::Ports ports;
    ports.base = static_cast<std::uint16_t>(20000 + 100 * pick(79));
    const auto all = ports.all();
    if (std::all_of(all.begin(), all.end(), [](auto port) { return cluster::listener_on(port).empty(); })) {
      return ports.base;
    }
  }
  throw std::runtime_error("no free block of ports for a test cluster");
}

namespace {

std::vector<std::string> setting_arguments() {
  const std::map<std::string, std::string> settings{
      {"port_base", std::to_string(free_port_base())},
      {"cell_memory_mb", "2048"},
      {"cell_disk_mb", "4096"},
      {"converge_interval", "1s"},
      {"rep_polling_interval", "1s"},
      {"route_sync_interval", "5s"},
  };
  std::vector<std::string> out;
  for (const auto& [key, value] : settings) {
    out.push_back("--set");
    out.push_back(key + "=" + value);
  }
  return out;
}

base::CommandResult run(const std::string& program, std::vector<std::string> arguments,
                        std::map<std::string, std::string> variables = {}) {
  arguments.insert(arguments.begin(), (kBinDir / program).string());
  base::CommandOptions options;
  options.timeout = std::chrono::minutes(5);
  options.variables = std::move(variables);
  return base::run_command(arguments, options);
}

void must_succeed(const base::CommandResult& result, const std::string& what) {
  if (!result.ok()) throw std::runtime_error(fmt::format("{} failed:\n{}{}", what, result.output, result.error));
}

}  // namespace

ClusterUnderTest::ClusterUnderTest(fs::path directory) : ClusterClient(cluster::load_settings(directory)) {}

ClusterUnderTest ClusterUnderTest::start(const fs::path& directory, bool with_sample) {
  std::vector<std::string> arguments{"up", "--var", directory.string()};
  if (!with_sample) arguments.push_back("--no-sample");
  // A directory that has been used keeps its ports and names.
  if (!cluster::settings_exist(directory)) {
    for (std::string& argument : setting_arguments()) arguments.push_back(std::move(argument));
  }
  must_succeed(run("rivera", arguments), "starting a cluster");
  ClusterUnderTest out(directory);
  const bool present = eventually([&] {
    return !out.with_bbs([](clients::BbsClient& bbs) -> asio::awaitable<std::vector<models::CellPresence>> {
                 return bbs.cells();
               })
                .empty();
  });
  if (!present) throw std::runtime_error("the cell of the test cluster does not appear");
  return out;
}

void ClusterUnderTest::stop() { must_succeed(run_tool({"down"}), "stopping the cluster"); }

ClusterUnderTest& ClusterUnderTest::shared() {
  static ClusterUnderTest cluster = [] {
    const char* directory = std::getenv("RIVERA_TEST_CLUSTER");
    if (directory == nullptr) throw std::runtime_error("RIVERA_TEST_CLUSTER names no directory");
    return ClusterUnderTest(directory);
  }();
  return cluster;
}

base::CommandResult ClusterUnderTest::run_tool(std::vector<std::string> arguments) const {
  arguments.push_back("--var");
  arguments.push_back(settings_.var_dir.string());
  return run("rivera", std::move(arguments));
}

base::CommandResult ClusterUnderTest::cfdot(std::vector<std::string> arguments) const {
  const net::TlsFiles tls = cluster::tls_files(settings_, "client");
  return run("cfdot", std::move(arguments),
             {{"BBS_URL", settings_.bbs_url()},
              {"LOCKET_API_LOCATION", settings_.locket_address()},
              {"CA_CERT_FILE", tls.ca_file},
              {"CLIENT_CERT_FILE", tls.certificate_file},
              {"CLIENT_KEY_FILE", tls.key_file}});
}

clients::BbsClientOptions ClusterUnderTest::bbs_options() const { return cluster::bbs_client_options(settings_); }

namespace {

std::optional<cluster::ComponentStatus> status_of(const cluster::Settings& settings, const std::string& component) {
  const auto status = cluster::run_coroutine(cluster::fetch_status(settings));
  for (const auto& candidate : status.components) {
    if (candidate.name == component) return candidate;
  }
  return std::nullopt;
}

}  // namespace

pid_t ClusterUnderTest::pid_of(const std::string& component) const {
  const auto status = status_of(settings_, component);
  return status ? status->pid : 0;
}

bool ClusterUnderTest::is_healthy(const std::string& component) const {
  const auto status = status_of(settings_, component);
  return status && status->healthy;
}

}  // namespace rivera::harness
