#include "harness/machine_configs.h"

#include <stdexcept>

#include <boost/algorithm/string/replace.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "cluster/prepare/component.h"
#include "cluster/prepare/component_configs.h"

namespace rivera::harness {
namespace {

namespace json = boost::json;

// On all addresses of the machine.
std::string anywhere(std::uint16_t port) { return fmt::format("0.0.0.0:{}", port); }
std::string seconds_text(std::chrono::seconds duration) { return fmt::format("{}s", duration.count()); }
std::string at(const std::string& program, std::uint16_t port) {
  return fmt::format("{}:{}", service_name(program), port);
}

class ConfigWriter {
 public:
  ConfigWriter(const cluster::Settings& settings, const ClusterPlan& plan, const std::string& machine,
               const CellPlan* cell, const std::string& database)
      : s_(settings), plan_(plan), machine_(machine), cell_(cell), database_(database) {}

  void write() const {
    cluster::write_component_configs(s_);
    change("locket", [&](json::object& config) {
      config["listen_address"] = anywhere(s_.ports.locket());
      set_database(config, "locket");
    });
    change("bbs", [&](json::object& config) { set_bbs(config); });
    change("auctioneer", [&](json::object& config) {
      config["uuid"] = "auctioneer-" + machine_;
      config["listen_address"] = anywhere(s_.ports.auctioneer());
      config["bbs_address"] = bbs_url();
      set_lock(config);
    });
    change("route-emitter", [&](json::object& config) {
      config["bbs_address"] = bbs_url();
      config["locket_address"] = at("locket", s_.ports.locket());
      config["nats_addresses"] = at("nats", s_.ports.nats());
    });
    change("gorouter", [&](json::object& config) { config["status"].as_object()["host"] = "0.0.0.0"; });
    change("file-server", [&](json::object& config) { config["server_address"] = anywhere(s_.ports.file_server()); });
    listen_everywhere("nats");
    if (cell_ != nullptr) change("rep", [&](json::object& config) { set_rep(config); });
    if (!plan_.change_config) return;
    for (const char* program : {"locket", "bbs", "auctioneer", "route-emitter", "gorouter", "file-server", "rep"}) {
      change(program, [&](json::object& config) { plan_.change_config(s_, program, config); });
    }
  }

 private:
  std::string bbs_url() const { return "https://" + at("bbs", s_.ports.bbs()); }

  template <typename Change>
  void change(const std::string& program, Change change_config) const {
    const auto file = cluster::config_file(s_, program);
    json::object config = json::parse(base::read_file(file)).as_object();
    change_config(config);
    base::write_file_atomically(file, json::serialize(config) + "\n", 0600);
  }

  void listen_everywhere(const std::string& program) const {
    const auto file = cluster::config_file(s_, program);
    base::write_file_atomically(file, boost::algorithm::replace_all_copy(base::read_file(file), "127.0.0.1", "0.0.0.0"),
                                0600);
  }

  void set_database(json::object& config, const std::string& name) const {
    if (plan_.store == Store::kSqlite) {
      config["database_connection_string"] = fmt::format("{}/{}.db", database_, name);
      return;
    }
    config["database_driver"] = "postgres";
    config["database_connection_string"] =
        fmt::format("host={} user=postgres dbname={} sslmode=disable", database_, name);
  }

  void set_lock(json::object& config) const {
    config["locket_address"] = at("locket", s_.ports.locket());
    config["lock_ttl"] = seconds_text(plan_.lock_ttl);
    config["lock_retry_interval"] = "500ms";
  }

  void set_bbs(json::object& config) const {
    config["uuid"] = "bbs-" + machine_;
    config["listen_address"] = anywhere(s_.ports.bbs());
    config["health_address"] = anywhere(s_.ports.bbs_health());
    config["advertise_url"] = bbs_url();
    config["auctioneer_address"] = "https://" + at("auctioneer", s_.ports.auctioneer());
    set_lock(config);
    set_database(config, "bbs");
  }

  void set_rep(json::object& config) const {
    config["listen_addr"] = anywhere(s_.ports.rep_admin());
    config["bbs_address"] = bbs_url();
    config["locket_address"] = at("locket", s_.ports.locket());
    config["lock_ttl"] = seconds_text(plan_.cell_ttl);
    config["evacuation_timeout"] = seconds_text(plan_.evacuation_timeout);
    config["placement_tags"] = json::value_from(cell_->placement_tags);
  }

  const cluster::Settings& s_;
  const ClusterPlan& plan_;
  const std::string& machine_;
  const CellPlan* cell_;
  const std::string& database_;
};

}  // namespace

std::string service_name(const std::string& program) { return program + ".service.cf.internal"; }

void write_machine_configs(const cluster::Settings& settings, const ClusterPlan& plan, const std::string& machine,
                           const CellPlan* cell, const std::string& database) {
  ConfigWriter(settings, plan, machine, cell, database).write();
}

std::vector<std::string> command_of(const cluster::Settings& settings, const std::string& program) {
  for (const cluster::Component& component : cluster::components(settings)) {
    if (component.name == program) return component.argv;
  }
  throw std::invalid_argument("there is no program " + program);
}

}  // namespace rivera::harness
