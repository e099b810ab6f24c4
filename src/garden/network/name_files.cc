#include "garden/network/name_files.h"

#include <sstream>
#include <vector>

#include "garden/bundle/bundle.h"

namespace rivera::garden {

std::string hosts_file(const Options& options, const std::string& handle, Ipv4 address) {
  std::string text = "127.0.0.1 localhost\n" + to_text(address) + " " + host_name_of(handle) + "\n";
  for (const auto& entry : options.additional_host_entries) text += entry + "\n";
  return text;
}

std::string resolv_conf_file(const Options& options, const std::string& host_resolv_conf, Ipv4 bridge) {
  std::string text;
  const auto add_servers = [&text](const std::vector<std::string>& servers) {
    for (const auto& server : servers) text += "nameserver " + server + "\n";
  };
  if (!options.dns_servers.empty()) {
    add_servers(options.dns_servers);
    add_servers(options.additional_dns_servers);
    return text;
  }
  std::vector<std::string> lines;
  std::istringstream stream(host_resolv_conf);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  const auto is_local_server = [](const std::string& line) {
    return line.rfind("nameserver", 0) == 0 && line.find(" 127.") != std::string::npos;
  };
  if (lines.size() == 1 && is_local_server(lines[0])) {
    text = "nameserver " + to_text(bridge) + "\n";
  } else {
    for (const auto& line : lines) {
      if (!is_local_server(line)) text += line + "\n";
    }
  }
  add_servers(options.additional_dns_servers);
  return text;
}

}  // namespace rivera::garden
