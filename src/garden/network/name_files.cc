#include "garden/network/name_files.h"

#include <algorithm>
#include <sstream>

#include "garden/bundle/bundle.h"

namespace rivera::garden {

namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// The address of a line that names a server; "" for others.
std::string server_of(const std::string& line) {
  const auto words = words_of(line);
  return words.size() >= 2 && words[0] == "nameserver" ? words[1] : "";
}

bool is_search(const std::string& line) {
  const auto words = words_of(line);
  return !words.empty() && words[0] == "search";
}

bool is_on_loopback(const std::string& server) { return server.starts_with("127.") || server == "::1"; }
bool is_stub(const std::string& server) { return server == "127.0.0.53" || server == "127.0.0.54"; }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> servers_of(const std::vector<std::string>& lines) {
  std::vector<std::string> servers;
  for (const auto& line : lines) {
    if (const auto server = server_of(line); !server.empty()) servers.push_back(server);
  }
  return servers;
}

bool all(const std::vector<std::string>& servers, bool (*holds)(const std::string&)) {
  return !servers.empty() && std::all_of(servers.begin(), servers.end(), holds);
}

// The lines that the host's resolvers stand for.
std::vector<std::string> host_lines(const HostResolver& host) {
  auto lines = lines_of(host.resolv_conf);
  if (!all(servers_of(lines), is_stub)) return lines;
  auto upstream = lines_of(host.upstream_resolv_conf);
  const auto servers = servers_of(upstream);
  return servers.empty() || all(servers, is_on_loopback) ? lines : upstream;
}

std::string from_host(const HostResolver& host, const std::string& local, bool with_search) {
  const auto lines = host_lines(host);
  if (lines.size() == 1 && is_on_loopback(server_of(lines[0]))) return "nameserver " + local + "\n";
  std::string text;
  for (const auto& line : lines) {
    if (!is_on_loopback(server_of(line)) && (with_search || !is_search(line))) text += line + "\n";
  }
  return text;
}

std::string server_lines(const std::vector<std::string>& servers) {
  std::string text;
  for (const auto& server : servers) text += "nameserver " + server + "\n";
  return text;
}

}  // namespace

std::string hosts_file(const std::string& handle, const std::string& address, const std::vector<std::string>& entries) {
  std::string text = "127.0.0.1 localhost\n" + address + " " + host_name_of(handle) + "\n";
  for (const auto& entry : entries) text += entry + "\n";
  return text;
}

ResolvConf resolv_conf_file(const Options& options, const HostResolver& host, const std::string& local,
                            const PluginResolver& plugin) {
  ResolvConf file;
  if (plugin.servers) {
    file.text = server_lines(*plugin.servers);
  } else if (!options.dns_servers.empty()) {
    file.text = server_lines(options.dns_servers) + server_lines(options.additional_dns_servers);
  } else {
    file.text = from_host(host, local, !plugin.search_domains) + server_lines(options.additional_dns_servers);
    if (servers_of(lines_of(file.text)).empty()) {
      file.problem = "the host's /etc/resolv.conf names no server that containers could reach";
    } else if (all(servers_of(host_lines(host)), is_stub) && options.additional_dns_servers.empty()) {
      file.problem = "the host's /etc/resolv.conf names systemd-resolved's stub only, which containers cannot reach";
    }
  }
  if (plugin.search_domains && !plugin.search_domains->empty()) {
    file.text += "search";
    for (const auto& domain : *plugin.search_domains) file.text += " " + domain;
    file.text += "\n";
  }
  return file;
}

}  // namespace rivera::garden
