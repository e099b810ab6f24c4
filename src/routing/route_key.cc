#include "routing/route_key.h"

namespace rivera::routing {

std::string route_key(std::string_view uri) {
  uri = uri.substr(0, uri.find('?'));
  if (uri.ends_with('/')) uri.remove_suffix(1);
  if (uri.starts_with('/')) uri.remove_prefix(1);
  std::string key(uri);
  for (char& c : key) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

std::string_view host_of(std::string_view key) { return key.substr(0, key.find('/')); }

std::string_view path_of(std::string_view key) {
  const auto slash = key.find('/');
  return slash == std::string_view::npos ? std::string_view() : key.substr(slash);
}

std::string context_path(std::string_view uri) {
  uri = uri.substr(0, uri.find('?'));
  const auto slash = uri.find('/');
  return slash == std::string_view::npos ? "/" : std::string(uri.substr(slash));
}

}  // namespace rivera::routing
