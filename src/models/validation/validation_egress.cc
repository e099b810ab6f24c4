// Validation of egress rules.
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <optional>

#include "models/validation/validation_report.h"

namespace rivera::models {
namespace {

using Address = std::array<unsigned char, 16>;  // IPv4 in its mapped form, so that all compare

std::optional<Address> parse_address(std::string_view text) {
  const std::string name(text);
  Address address{};
  if (inet_pton(AF_INET6, name.c_str(), address.data()) == 1) return address;
  address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, name.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

bool is_block(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = text.substr(0, slash);
  const auto prefix = text.substr(slash + 1);
  const int longest = base.find(':') == std::string_view::npos ? 32 : 128;
  int length = -1;
  const auto end = std::from_chars(prefix.data(), prefix.data() + prefix.size(), length);
  const bool is_number = end.ec == std::errc{} && end.ptr == prefix.data() + prefix.size() && prefix[0] != '-';
  return parse_address(base) && is_number && length <= longest;
}

bool is_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_address(text.substr(0, dash));
  const auto last = parse_address(text.substr(dash + 1));
  return first && last && *first <= *last;
}

// The finding about one destination; empty if it is valid.
std::string destination_fault(std::string_view text) {
  if (text.find('/') != std::string_view::npos) {
    return is_block(text) ? "" : "invalid CIDR address: " + std::string(text);
  }
  if (text.find('-') != std::string_view::npos) return is_range(text) ? "" : "Invalid IP";
  return parse_address(text) ? "" : "Invalid IP";
}

// An entry may hold several destinations with commas between them.
void check_entry(std::string_view entry, std::string& faults) {
  while (true) {
    const auto comma = entry.find(',');
    const auto fault = destination_fault(entry.substr(0, comma));
    if (!fault.empty()) faults += (faults.empty() ? "" : ", ") + fault;
    if (comma == std::string_view::npos) return;
    entry.remove_prefix(comma + 1);
  }
}

void check_destinations(Report& report, const SecurityGroupRule& rule) {
  std::string faults;
  if (rule.destinations().empty()) faults = "Must have at least 1 destination";
  for (const auto& entry : rule.destinations()) check_entry(entry, faults);
  if (!faults.empty()) report.field("destinations [ " + faults + " ]");
}

void check_ports(Report& report, const SecurityGroupRule& rule) {
  if (rule.ports().empty() && !rule.has_port_range()) {
    report.text("Missing required field: ports or port_range");
    return;
  }
  if (!rule.ports().empty() && rule.has_port_range()) {
    report.text("Invalid: ports and port_range provided");
    return;
  }
  for (const auto port : rule.ports()) {
    if (port < 1) report.field("ports");
  }
  if (!rule.has_port_range()) return;
  const auto& range = rule.port_range();
  if (range.start() < 1) report.field("port_range");
  if (range.end() < 1) report.field("port_range");
  if (range.start() > range.end()) report.field("port_range");
}

void check_no_ports(Report& report, const SecurityGroupRule& rule) {
  if (rule.has_port_range()) report.field("port_range");
  if (!rule.ports().empty()) report.field("ports");
}

void check_protocol(Report& report, const SecurityGroupRule& rule) {
  const auto& protocol = rule.protocol();
  if (protocol == "tcp" || protocol == "udp") {
    check_ports(report, rule);
    if (rule.has_icmp_info()) report.field("icmp_info");
  } else if (protocol == "icmp" || protocol == "icmpv6") {
    check_no_ports(report, rule);
    if (!rule.has_icmp_info()) report.field(protocol + "_info");
  } else if (protocol == "all") {
    check_no_ports(report, rule);
    if (rule.has_icmp_info()) report.field("icmp_info");
  } else {
    report.field("protocol");
  }
}

}  // namespace

Findings findings(const SecurityGroupRule& rule) {
  Report report;
  check_protocol(report, rule);
  check_destinations(report, rule);
  return report.take();
}

}  // namespace rivera::models
