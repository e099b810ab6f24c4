#include "proxy/settings.h"

#include <charconv>
#include <sstream>

namespace proxy {
namespace {

std::uint16_t port_of(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    throw SettingsError("not a port: \"" + text + "\"");
  }
  return port;
}

Listener listener_of(std::istringstream& words) {
  std::string port;
  std::string backend_port;
  Listener listener;
  if (!(words >> port >> backend_port >> listener.certificate)) throw SettingsError("an incomplete \"listen\"");
  if (listener.certificate.find('/') != std::string::npos) throw SettingsError("a certificate elsewhere");
  listener.port = port_of(port);
  listener.backend_port = port_of(backend_port);
  for (std::string option; words >> option;) {
    if (option == "http2") {
      listener.http2 = true;
    } else if (option == "verify") {
      listener.verify = true;
    } else {
      throw SettingsError("an unknown option: \"" + option + "\"");
    }
  }
  return listener;
}

}  // namespace

Settings parse_settings(const std::string& text) {
  Settings settings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    if (!(words >> kind)) continue;
    if (kind == "listen") {
      settings.listeners.push_back(listener_of(words));
    } else if (kind == "backend") {
      words >> settings.backend;
    } else if (kind == "client") {
      std::string name;
      std::getline(words >> std::ws, name);
      settings.clients.push_back(name);
    } else {
      throw SettingsError("an unknown line: \"" + line + "\"");
    }
  }
  if (settings.backend.empty()) throw SettingsError("no backend");
  if (settings.listeners.empty()) throw SettingsError("no port to listen on");
  return settings;
}

}  // namespace proxy
