#include "routing/registry_message.h"

#include <algorithm>
#include <arpa/inet.h>
#include <limits>
#include <stdexcept>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace rivera::routing {
namespace {

namespace json = boost::json;

[[noreturn]] void wrong(std::string_view member, std::string_view expected) {
  throw std::invalid_argument(fmt::format("registry message: {}: expected {}", member, expected));
}

std::string text(std::string_view member, const json::value& value) {
  if (!value.is_string()) wrong(member, "a text");
  return std::string(value.get_string());
}

std::int64_t integer(std::string_view member, const json::value& value, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_uint64()) {
    wrong(member, "a smaller number");
  } else {
    wrong(member, "a whole number");
  }
  if (number < least || number > most) wrong(member, fmt::format("a number from {} to {}", least, most));
  return number;
}

std::uint16_t port(std::string_view member, const json::value& value) {
  return static_cast<std::uint16_t>(integer(member, value, 0, 65535));
}

std::vector<std::string> texts(std::string_view member, const json::value& value) {
  if (!value.is_array()) wrong(member, "a list of texts");
  std::vector<std::string> out;
  for (const auto& item : value.get_array()) {
    // As in Go, null is the empty string.
    out.push_back(item.is_null() ? std::string() : text(member, item));
  }
  return out;
}

std::map<std::string, std::string> text_map(std::string_view member, const json::value& value) {
  if (!value.is_object()) wrong(member, "an object of texts");
  std::map<std::string, std::string> out;
  for (const auto& [name, item] : value.get_object()) {
    out[std::string(name)] = item.is_null() ? std::string() : text(member, item);
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

void take(RegistryMessage& m, const std::string& name, const json::value& value) {
  if (name == "host") m.host = text(name, value);
  if (name == "port") m.port = port(name, value);
  if (name == "tls_port") m.tls_port = port(name, value);
  if (name == "uris") m.uris = texts(name, value);
  if (name == "protocol") m.protocol = text(name, value);
  if (name == "app") m.app = text(name, value);
  if (name == "route_service_url") m.route_service_url = text(name, value);
  if (name == "private_instance_id") m.private_instance_id = text(name, value);
  if (name == "private_instance_index") m.private_instance_index = text(name, value);
  if (name == "server_cert_domain_san") m.server_cert_domain_san = text(name, value);
  if (name == "isolation_segment") m.isolation_segment = text(name, value);
  if (name == "endpoint_updated_at_ns") m.endpoint_updated_at_ns = integer(name, value, kLeast, kMost);
  if (name == "stale_threshold_in_seconds") m.stale_threshold_in_seconds = integer(name, value, kLeast, kMost);
  if (name == "tags") m.tags = text_map(name, value);
  if (name == "availability_zone") m.availability_zone = text(name, value);
  if (name == "options") {
    if (!value.is_object()) wrong(name, "an object");
    m.options = json::serialize(value);
  }
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name,
                 json::serialize(json::string_view(value.data(), value.size())));
}

void append_number(std::string& out, std::string_view name, std::int64_t value) {
  if (value != 0) fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name, value);
}

std::string quoted(std::string_view value) { return json::serialize(json::string_view(value.data(), value.size())); }

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < ' ' || u == 0x7f;
  });
}

// Each of these texts can become a part of a request to a backend or of a response, whose lines end at control
// characters.
void check_texts(const RegistryMessage& m) {
  const auto check = [](std::string_view member, std::string_view value) {
    if (has_control_characters(value)) wrong(member, "a text without control characters");
  };
  check("protocol", m.protocol);
  check("app", m.app);
  check("route_service_url", m.route_service_url);
  check("private_instance_id", m.private_instance_id);
  check("private_instance_index", m.private_instance_index);
  check("server_cert_domain_san", m.server_cert_domain_san);
  check("isolation_segment", m.isolation_segment);
  check("availability_zone", m.availability_zone);
  for (const auto& uri : m.uris) check("uris", uri);
  for (const auto& [name, value] : m.tags) {
    check("tags", name);
    check("tags", value);
  }
}

// An IP address, or a name of letters, digits, '-', '_' and '.'. Empty is none, as for an instance without an address.
bool is_host(const std::string& host) {
  constexpr std::size_t kLongestName = 253;
  if (host.find(':') != std::string::npos) {
    in6_addr ignored{};
    return ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1 && host.find('\0') == std::string::npos;
  }
  return host.size() <= kLongestName &&
         host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string::npos;
}

RegistryMessage parse_checked(const json::object& object) {
  RegistryMessage message;
  for (const auto& [name, member] : object) {
    if (!member.is_null()) take(message, lower(std::string_view(name.data(), name.size())), member);
  }
  if (!message.route_service_url.empty() && !message.route_service_url.starts_with("https")) {
    wrong("route_service_url", "an https URL");
  }
  if (!is_host(message.host)) wrong("host", "an IP address or a host name");
  check_texts(message);
  return message;
}

}  // namespace

std::string to_json(const RegistryMessage& m) {
  std::string out = fmt::format("{{\"host\":{},\"port\":{}", quoted(m.host), m.port);
  append_number(out, "tls_port", m.tls_port);
  out += ",\"uris\":[";
  for (std::size_t i = 0; i < m.uris.size(); ++i) {
    if (i > 0) out += ',';
    out += quoted(m.uris[i]);
  }
  out += ']';
  append_text(out, "protocol", m.protocol);
  append_text(out, "app", m.app);
  append_text(out, "route_service_url", m.route_service_url);
  append_text(out, "private_instance_id", m.private_instance_id);
  append_text(out, "private_instance_index", m.private_instance_index);
  append_text(out, "server_cert_domain_san", m.server_cert_domain_san);
  append_text(out, "isolation_segment", m.isolation_segment);
  append_number(out, "endpoint_updated_at_ns", m.endpoint_updated_at_ns);
  append_number(out, "stale_threshold_in_seconds", m.stale_threshold_in_seconds);
  if (!m.tags.empty()) {
    out += ",\"tags\":{";
    bool first = true;
    for (const auto& [name, value] : m.tags) {
      fmt::format_to(std::back_inserter(out), "{}{}:{}", first ? "" : ",", quoted(name), quoted(value));
      first = false;
    }
    out += '}';
  }
  append_text(out, "availability_zone", m.availability_zone);
  if (!m.options.empty()) out += ",\"options\":" + m.options;
  out += '}';
  return out;
}

RegistryMessage parse_registry_message(std::string_view text_form) {
  boost::system::error_code ec;
  unsigned char scratch[4096];
  json::monotonic_resource memory(scratch, sizeof scratch);
  const auto value = json::parse(json::string_view(text_form.data(), text_form.size()), ec, &memory);
  if (ec || !value.is_object()) throw std::invalid_argument("registry message: not a JSON object");
  return parse_checked(value.get_object());
}

std::string load_balancing_option(std::string_view options) {
  if (options.empty()) return {};
  boost::system::error_code ec;
  const auto value = json::parse(json::string_view(options.data(), options.size()), ec);
  if (ec || !value.is_object()) wrong("options", "an object");
  const auto* found = value.get_object().if_contains("loadbalancing");
  if (found == nullptr || found->is_null()) return {};
  return text("options.loadbalancing", *found);
}

}  // namespace rivera::routing
