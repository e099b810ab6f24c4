#include "simulation/real/real_cluster.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/json/serialize.hpp>

#include "base/ids.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::simulation {
namespace {

namespace json = boost::json;

// Ports that were free just now, bound at the same time so that they differ.
std::vector<std::string> free_addresses(std::size_t count) {
  std::vector<base::UniqueFd> held;
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < count; ++i) {
    base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("no free port");
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    addresses.push_back("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
    held.push_back(std::move(fd));
  }
  return addresses;
}

void add_tls(json::object& config, const net::TlsFiles& files, const char* ca, const char* certificate,
             const char* key) {
  config[ca] = files.ca_file;
  config[certificate] = files.certificate_file;
  config[key] = files.key_file;
}

}  // namespace

RealCluster::RealCluster(const RealClusterOptions& options) {
  if (options.engine != sql::Engine::kSqlite) {
    if (!sql::LocalServer::is_installed(options.engine)) {
      throw std::runtime_error(std::string(sql::to_string(options.engine)) + " is not installed");
    }
    database_ = std::make_unique<sql::LocalServer>(options.engine);
  }
  make_certificates();
  write_configs(options);
  for (const char* name : {"locket", "auctioneer", "bbs"}) start(options, name);
}

RealCluster::~RealCluster() {
  while (!processes_.empty()) processes_.pop_back();
}

clients::BbsClientOptions RealCluster::bbs() const {
  return {.url = "https://" + bbs_address_, .tls = tls_, .request_timeout = std::chrono::seconds(60)};
}

clients::LocketClientOptions RealCluster::locket() const {
  return {.address = locket_address_, .tls = tls_, .call_timeout = std::chrono::seconds(30)};
}

void RealCluster::make_certificates() {
  constexpr auto kValidFor = std::chrono::hours(24);
  auto authority = net::CertificateAuthority::make("rivera-sim-ca", kValidFor);
  const auto pair =
      authority.issue({.common_name = "rivera-sim", .dns_names = {"localhost"}, .addresses = {"127.0.0.1"}}, kValidFor);
  const auto write = [this](const char* name, const std::string& content) {
    const auto path = directory_.path() / name;
    base::write_file_atomically(path, content, 0600);
    return path.string();
  };
  tls_.ca_file = write("ca.crt", authority.pair().certificate_pem);
  tls_.certificate_file = write("pair.crt", pair.certificate_pem);
  tls_.key_file = write("pair.key", pair.key_pem);
}

void RealCluster::write_configs(const RealClusterOptions& options) {
  const auto addresses = free_addresses(4);
  locket_address_ = addresses[0];
  bbs_address_ = addresses[1];
  const auto write = [this](const char* name, const json::object& config) {
    base::write_file_atomically(directory_.path() / name, json::serialize(config), 0600);
  };
  const auto add_locket = [this](json::object& config) {
    config["locket_address"] = locket_address_;
    add_tls(config, tls_, "locket_ca_cert_file", "locket_client_cert_file", "locket_client_key_file");
  };

  json::object locket{{"listen_address", locket_address_}, {"database_driver", "sqlite3"}};
  locket["database_connection_string"] = (directory_.path() / "locket.db").string();
  add_tls(locket, tls_, "ca_file", "cert_file", "key_file");
  write("locket.json", locket);

  json::object auctioneer{
      {"uuid", "auctioneer"},           {"listen_address", addresses[2]}, {"bbs_address", "https://" + bbs_address_},
      {"auction_runner_workers", 1000}, {"communication_timeout", "10s"}, {"cell_state_timeout", "10s"}};
  auctioneer["starting_container_weight"] = options.placement.starting_container_weight;
  auctioneer["starting_container_count_maximum"] = options.placement.starting_container_count_maximum;
  add_tls(auctioneer, tls_, "ca_cert_file", "server_cert_file", "server_key_file");
  add_tls(auctioneer, tls_, "rep_ca_cert", "rep_client_cert", "rep_client_key");
  add_tls(auctioneer, tls_, "bbs_ca_cert_file", "bbs_client_cert_file", "bbs_client_key_file");
  add_locket(auctioneer);
  write("auctioneer.json", auctioneer);

  json::object bbs{{"uuid", "bbs"},
                   {"listen_address", bbs_address_},
                   {"health_address", addresses[3]},
                   {"advertise_url", "https://" + bbs_address_},
                   {"auctioneer_address", "https://" + addresses[2]},
                   {"auctioneer_require_tls", true},
                   {"active_key_label", "key"},
                   {"encryption_keys", json::object{{"key", base::new_guid()}}}};
  add_tls(bbs, tls_, "ca_file", "cert_file", "key_file");
  add_tls(bbs, tls_, "rep_ca_cert", "rep_client_cert", "rep_client_key");
  add_tls(bbs, tls_, "auctioneer_ca_cert", "auctioneer_client_cert", "auctioneer_client_key");
  add_locket(bbs);
  bbs["database_driver"] = sql::to_string(options.engine);
  bbs["database_connection_string"] =
      database_ ? database_->config().connection_string : (directory_.path() / "bbs.db").string();
  write("bbs.json", bbs);
}

void RealCluster::start(const RealClusterOptions& options, const std::string& name) {
  const auto config = directory_.path() / (name + ".json");
  const std::vector<std::string> argv = {(options.programs / name).string(), "-config", config.string()};
  processes_.push_back(std::make_unique<ProgramProcess>(name, argv, directory_.path() / (name + ".log")));
  processes_.back()->wait_for("\"" + name + ".started\"");
}

}  // namespace rivera::simulation
