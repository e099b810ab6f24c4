#include "executor/container/container_json.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include "models/forms/json.h"

namespace rivera::executor {
namespace {

namespace json = boost::json;

// --- writing ---

template <typename Messages>
json::array list_of(const Messages& messages) {
  json::array list;
  for (const auto& message : messages) list.push_back(models::to_json(message));
  return list;
}

template <typename Message>
void put_optional(json::object& into, std::string_view key, const std::optional<Message>& message) {
  if (message) into[key] = models::to_json(*message);
}

json::object log_config_json(const LogConfig& config) {
  return {{"owner", config.owner},
          {"guid", config.guid},
          {"index", config.index},
          {"source_name", config.source_name},
          {"tags", json::value_from(config.tags)}};
}

json::object metrics_config_json(const MetricsConfig& config) {
  return {{"guid", config.guid}, {"index", config.index}, {"tags", json::value_from(config.tags)}};
}

json::object run_info_json(const RunInfo& info) {
  json::object out;
  out["rootfs"] = info.rootfs;
  out["cpu_weight"] = info.cpu_weight;
  out["ports"] = json::value_from(info.ports);
  out["internal_routes"] = json::value_from(info.internal_routes);
  out["log_config"] = log_config_json(info.log_config);
  out["metrics_config"] = metrics_config_json(info.metrics_config);
  out["start_timeout_ms"] = info.start_timeout.count();
  out["privileged"] = info.privileged;
  out["cached_dependencies"] = list_of(info.cached_dependencies);
  put_optional(out, "setup", info.setup);
  put_optional(out, "run", info.action);
  put_optional(out, "monitor", info.monitor);
  put_optional(out, "check_definition", info.check_definition);
  out["egress_rules"] = list_of(info.egress_rules);
  out["env"] = list_of(info.env);
  out["trusted_system_certificates_path"] = info.trusted_system_certificates_path;
  out["volume_mounts"] = list_of(info.volume_mounts);
  out["network"] = json::value_from(info.network_properties);
  out["certificate_properties"] = models::to_json(info.certificate_properties);
  out["image_username"] = info.image_username;
  out["image_password"] = info.image_password;
  out["enable_container_proxy"] = info.enable_container_proxy;
  out["sidecars"] = list_of(info.sidecars);
  out["log_rate_limit_bytes_per_second"] = info.log_rate_limit_bytes_per_second;
  out["volume_mounted_files"] = list_of(info.volume_mounted_files);
  return out;
}

json::array ports_json(const std::vector<PortMapping>& ports) {
  json::array list;
  for (const auto& port : ports) {
    list.push_back(json::object{{"container_port", port.container_port},
                                {"host_port", port.host_port},
                                {"container_tls_proxy_port", port.container_tls_proxy_port},
                                {"host_tls_proxy_port", port.host_tls_proxy_port}});
  }
  return list;
}

json::object run_result_json(const RunResult& result) {
  return {{"failed", result.failed},
          {"failure_reason", result.failure_reason},
          {"Retryable", result.retryable},
          {"stopped", result.stopped},
          {"lost", result.lost}};
}

// --- reading: what is missing keeps its default ---

void read_message(const json::value& value, google::protobuf::Message& into) {
  models::from_json_text(json::serialize(value), into);
}

class ObjectReader {
 public:
  explicit ObjectReader(const json::value& value) : object_(value.as_object()) {}

  template <typename T>
  void get(std::string_view key, T& into) const {
    if (const auto* value = object_.if_contains(key)) into = json::value_to<T>(*value);
  }
  template <typename Message>
  void get_messages(std::string_view key, std::vector<Message>& into) const {
    const auto* value = object_.if_contains(key);
    if (!value) return;
    for (const auto& element : value->as_array()) read_message(element, into.emplace_back());
  }
  template <typename Message>
  void get_message(std::string_view key, std::optional<Message>& into) const {
    if (const auto* value = object_.if_contains(key)) read_message(*value, into.emplace());
  }
  const json::value* find(std::string_view key) const { return object_.if_contains(key); }

 private:
  const json::object& object_;
};

void read_log_config(const json::value& value, LogConfig& into) {
  const ObjectReader in(value);
  in.get("owner", into.owner);
  in.get("guid", into.guid);
  in.get("index", into.index);
  in.get("source_name", into.source_name);
  in.get("tags", into.tags);
}

void read_metrics_config(const json::value& value, MetricsConfig& into) {
  const ObjectReader in(value);
  in.get("guid", into.guid);
  in.get("index", into.index);
  in.get("tags", into.tags);
}

void read_run_info(const json::value& value, RunInfo& info) {
  const ObjectReader in(value);
  in.get("rootfs", info.rootfs);
  in.get("cpu_weight", info.cpu_weight);
  in.get("ports", info.ports);
  in.get("internal_routes", info.internal_routes);
  if (const auto* config = in.find("log_config")) read_log_config(*config, info.log_config);
  if (const auto* config = in.find("metrics_config")) read_metrics_config(*config, info.metrics_config);
  std::int64_t start_timeout = 0;
  in.get("start_timeout_ms", start_timeout);
  info.start_timeout = std::chrono::milliseconds(start_timeout);
  in.get("privileged", info.privileged);
  in.get_messages("cached_dependencies", info.cached_dependencies);
  in.get_message("setup", info.setup);
  in.get_message("run", info.action);
  in.get_message("monitor", info.monitor);
  in.get_message("check_definition", info.check_definition);
  in.get_messages("egress_rules", info.egress_rules);
  in.get_messages("env", info.env);
  in.get("trusted_system_certificates_path", info.trusted_system_certificates_path);
  in.get_messages("volume_mounts", info.volume_mounts);
  in.get("network", info.network_properties);
  if (const auto* properties = in.find("certificate_properties")) {
    read_message(*properties, info.certificate_properties);
  }
  in.get("image_username", info.image_username);
  in.get("image_password", info.image_password);
  in.get("enable_container_proxy", info.enable_container_proxy);
  in.get_messages("sidecars", info.sidecars);
  in.get("log_rate_limit_bytes_per_second", info.log_rate_limit_bytes_per_second);
  in.get_messages("volume_mounted_files", info.volume_mounted_files);
}

void read_ports(const json::value& value, std::vector<PortMapping>& into) {
  for (const auto& element : value.as_array()) {
    const ObjectReader in(element);
    auto& port = into.emplace_back();
    in.get("container_port", port.container_port);
    in.get("host_port", port.host_port);
    in.get("container_tls_proxy_port", port.container_tls_proxy_port);
    in.get("host_tls_proxy_port", port.host_tls_proxy_port);
  }
}

void read_run_result(const json::value& value, RunResult& into) {
  const ObjectReader in(value);
  in.get("failed", into.failed);
  in.get("failure_reason", into.failure_reason);
  in.get("Retryable", into.retryable);
  in.get("stopped", into.stopped);
  in.get("lost", into.lost);
}

void read_container(const json::value& value, Container& container) {
  const ObjectReader in(value);
  in.get("guid", container.guid);
  in.get("memory_mb", container.resource.memory_mb);
  in.get("disk_mb", container.resource.disk_mb);
  in.get("max_pids", container.resource.max_pids);
  in.get("tags", container.tags);
  std::string state;
  in.get("state", state);
  const auto known = container_state_of(state);
  if (!known) throw std::invalid_argument("unknown container state \"" + state + "\"");
  container.state = *known;
  in.get("routable", container.routable);
  in.get("allocated_at", container.allocated_at);
  in.get("external_ip", container.external_ip);
  in.get("internal_ip", container.internal_ip);
  in.get("internal_ip_v6", container.internal_ip_v6);
  if (const auto* ports = in.find("ports")) read_ports(*ports, container.ports);
  if (const auto* info = in.find("run_info")) read_run_info(*info, container.run_info);
  if (const auto* result = in.find("run_result")) read_run_result(*result, container.run_result);
}

}  // namespace

std::string to_json(const ContainerRecord& record) {
  const auto& container = record.container;
  json::object out;
  out["guid"] = container.guid;
  out["memory_mb"] = container.resource.memory_mb;
  out["disk_mb"] = container.resource.disk_mb;
  out["max_pids"] = container.resource.max_pids;
  out["tags"] = json::value_from(container.tags);
  out["state"] = name_of(container.state);
  out["routable"] = container.routable;
  out["allocated_at"] = container.allocated_at;
  out["external_ip"] = container.external_ip;
  out["internal_ip"] = container.internal_ip;
  out["internal_ip_v6"] = container.internal_ip_v6;
  out["ports"] = ports_json(container.ports);
  out["run_info"] = run_info_json(container.run_info);
  out["run_result"] = run_result_json(container.run_result);
  return json::serialize(json::object{{"format", kRecordFormat},
                                      {"container", std::move(out)},
                                      {"cached_directories", json::value_from(record.cached_directories)}});
}

ContainerRecord record_from_json(std::string_view text) {
  try {
    const auto value = json::parse(text);
    ContainerRecord record;
    const ObjectReader in(value);
    int format = 0;
    in.get("format", format);
    if (format != kRecordFormat) throw std::invalid_argument("it has format " + std::to_string(format));
    in.get("cached_directories", record.cached_directories);
    const auto* container = in.find("container");
    if (!container) throw std::invalid_argument("it holds no container");
    read_container(*container, record.container);
    if (record.container.guid.empty()) throw std::invalid_argument("its container has no guid");
    return record;
  } catch (const std::exception& e) {
    throw std::invalid_argument(std::string("undecodable container record: ") + e.what());
  }
}

}  // namespace rivera::executor
