#include "garden/registry/image_reference.h"

#include <algorithm>
#include <stdexcept>

namespace rivera::garden {

namespace {

constexpr std::string_view kScheme = "docker://";
constexpr std::string_view kHub = "registry-1.docker.io";
constexpr std::size_t kMostRepository = 255, kMostTag = 128;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_repository(std::string_view name) {
  if (name.empty() || name.size() > kMostRepository) return false;
  char before = '/';
  for (const char c : name) {
    const bool is_separator = c == '.' || c == '_' || c == '-' || c == '/';
    if (!is_lower_or_digit(c) && !is_separator) return false;
    if ((before == '/' && is_separator) || (c == '/' && !is_lower_or_digit(before))) return false;
    before = c;
  }
  return is_lower_or_digit(before);
}

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kMostTag && is_word(tag[0]) &&
         std::ranges::all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

// "host", "host:port", "[address]:port".
bool is_registry(std::string_view host) {
  return !host.empty() && host.size() <= 255 && host[0] != '-' && host[0] != ':' &&
         std::ranges::all_of(
             host, [](char c) { return is_word(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']'; });
}

}  // namespace

bool is_digest(std::string_view text) {
  const std::size_t length = text.starts_with("sha256:") ? 64 : text.starts_with("sha512:") ? 128 : 0;
  if (length == 0 || text.size() != 7 + length) return false;
  return std::ranges::all_of(text.substr(7), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string loggable_image_uri(std::string_view uri) {
  std::string text(uri.substr(0, uri.find('?')));
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const auto begin = scheme + 3;
  const auto at = text.substr(0, std::min(text.find('/', begin), text.size())).rfind('@');
  if (at != std::string::npos && at >= begin) text.erase(begin, at + 1 - begin);
  return text;
}

std::string ImageReference::text() const {
  return registry + "/" + repository + (digest.empty() ? ":" + tag : "@" + digest);
}

ImageReference parse_image_reference(std::string_view uri, std::string_view default_registry) {
  if (!uri.starts_with(kScheme)) throw std::invalid_argument("an image's name begins with docker://");
  uri.remove_prefix(kScheme.size());
  const auto slash = uri.find('/');
  ImageReference reference;
  reference.registry = uri.substr(0, slash);
  if (reference.registry.find('@') != std::string::npos)
    throw std::invalid_argument("an image's name holds no user or password: give them beside it");
  if (slash == std::string_view::npos) throw std::invalid_argument("the image's name has no repository");
  std::string path(uri.substr(slash + 1));
  if (const auto hash = path.find('#'); hash != std::string::npos) path[hash] = ':';
  if (const auto at = path.find('@'); at != std::string::npos) {
    reference.digest = path.substr(at + 1);
    path.resize(at);
    if (!is_digest(reference.digest)) throw std::invalid_argument("the image's digest is no sha256 or sha512");
  }
  if (const auto colon = path.find(':'); colon != std::string::npos) {
    reference.tag = path.substr(colon + 1);
    path.resize(colon);
    if (!is_tag(reference.tag)) throw std::invalid_argument("the image's tag is not valid");
  }
  if (reference.registry.empty()) reference.registry = default_registry;
  if (reference.registry == "docker.io" || reference.registry == "index.docker.io") reference.registry = kHub;
  if (!is_registry(reference.registry)) throw std::invalid_argument("the image's registry is not valid");
  if (reference.registry == kHub && path.find('/') == std::string::npos) path.insert(0, "library/");
  if (!is_repository(path)) throw std::invalid_argument("the image's repository is not valid");
  reference.repository = std::move(path);
  if (!reference.digest.empty()) reference.tag.clear();
  if (reference.digest.empty() && reference.tag.empty()) reference.tag = "latest";
  return reference;
}

}  // namespace rivera::garden
