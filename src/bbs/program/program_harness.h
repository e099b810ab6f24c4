// Any number of `bbs` and `locket` processes for a test, on one database.
#pragma once

#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

#include <boost/json.hpp>

#include "base/testing/places.h"
#include "base/testing/test_program.h"
#include "bbs/program/bbs_harness.h"
#include "models/testing/testing.h"
#include "sql/testing/test_servers.h"

namespace rivera::bbs {

namespace json = boost::json;

// An address without a listener at the moment.
inline std::string free_address() {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("bind failed");
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

// Takes the harness' certificates, client and event loop; its BBS is not started.
class ProgramHarness : public BbsHarness {
 protected:
  static constexpr std::chrono::seconds kLockTtl{4};

  explicit ProgramHarness(sql::Engine engine = sql::Engine::kSqlite) {
    if (engine == sql::Engine::kSqlite) return;
    server_ = std::make_unique<sql::TestServer>(engine);
    config_.database = server_->config();
  }

  // For two programs, each with tables of its own; with SQLite, files of their own.
  json::object database_keys(const std::string& name) {
    const bool is_file = config_.database.engine == sql::Engine::kSqlite;
    return {{"database_driver", sql::to_string(config_.database.engine)},
            {"database_connection_string",
             is_file ? (directory_.path() / (name + ".db")).string() : config_.database.connection_string}};
  }

  base::TestProgram start_program(const std::string& name, const std::string& id, const json::object& config) {
    const std::string path = directory_.path() / (id + ".json");
    base::write_file_atomically(path, json::serialize(config));
    return base::TestProgram({base::bin_dir() + "/" + name, "-config", path});
  }

  json::object locket_config(const std::string& address) {
    json::object config = database_keys("locket");
    config["listen_address"] = address;
    config["ca_file"] = config_.tls.ca_file;
    config["cert_file"] = config_.tls.certificate_file;
    config["key_file"] = config_.tls.key_file;
    return config;
  }

  base::TestProgram start_locket(const std::string& address) {
    base::TestProgram locket = start_program("locket", "locket-" + address, locket_config(address));
    locket.wait_for("locket.started");
    return locket;
  }

  json::object bbs_config(const std::string& uuid, const std::string& locket_address) {
    json::object config = database_keys("bbs");
    const json::object others = {{"uuid", uuid},
                                 {"listen_address", free_address()},
                                 {"health_address", free_address()},
                                 {"ca_file", config_.tls.ca_file},
                                 {"cert_file", config_.tls.certificate_file},
                                 {"key_file", config_.tls.key_file},
                                 {"encryption_keys", {{"k1", "a secure passphrase"}}},
                                 {"active_key_label", "k1"},
                                 {"auctioneer_address", "http://127.0.0.1:1"},
                                 {"locket_address", locket_address},
                                 {"locket_ca_cert_file", config_.tls.ca_file},
                                 {"locket_client_cert_file", config_.tls.certificate_file},
                                 {"locket_client_key_file", config_.tls.key_file},
                                 {"lock_ttl", std::to_string(kLockTtl.count()) + "s"},
                                 {"lock_retry_interval", "200ms"},
                                 {"rep_require_tls", true}};
    for (const auto& [key, value] : others) config[key] = value;
    return config;
  }

  base::TestProgram start_bbs(const json::object& config) {
    return start_program("bbs", std::string(config.at("uuid").as_string()), config);
  }

  static std::string address_of(const json::object& config) {
    return std::string(config.at("listen_address").as_string());
  }

  // The BBS to which post() and call() send.
  void use(const json::object& config) { address_ = address_of(config); }

  void desire(const std::string& guid) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() = models::testing::a_desired_lrp(guid).with_instances(2);
    const auto response = call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request);
    EXPECT_FALSE(response.has_error()) << response.error().message();
  }
  int instances() {
    return call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest()).actual_lrps_size();
  }

 private:
  std::unique_ptr<sql::TestServer> server_;
};

}  // namespace rivera::bbs
