#include <algorithm>
#include <array>
#include <stdexcept>

#include "garden/registry/challenge.h"
#include "garden/registry/image_documents.h"
#include "garden/registry/image_reference.h"
#include "net/stream/endpoint.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

using garden::BadImage;

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

void check_descriptor(const garden::Descriptor& descriptor) {
  if (!garden::is_digest(descriptor.digest)) broken("a descriptor has a digest");
  if (descriptor.urls.size() > 8) broken("a descriptor has few other addresses");
}

void check_manifest(const garden::Manifest& manifest) {
  if (manifest.layers.size() > garden::kMostLayers) broken("an image has no more layers than its limit");
  check_descriptor(manifest.config);
  for (const auto& layer : manifest.layers) check_descriptor(layer);
}

// The first byte picks what the registry's header says.
void manifest(std::string_view bytes) {
  constexpr std::array<std::string_view, 5> kTypes = {"", "application/vnd.oci.image.index.v1+json",
                                                      "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
                                                      "application/vnd.docker.distribution.manifest.list.v2+json",
                                                      "application/vnd.docker.distribution.manifest.v2+json"};
  if (bytes.empty()) return;
  const auto type = kTypes[static_cast<unsigned char>(bytes.front()) % kTypes.size()];
  const auto document = garden::parse_manifest(type, bytes.substr(1));
  if (const auto* one = std::get_if<garden::Manifest>(&document)) return check_manifest(*one);
  const auto& index = std::get<garden::Index>(document);
  for (const auto& entry : index) check_descriptor(entry);
  const auto& chosen = garden::entry_for_this_machine(index);
  if (!chosen.architecture.empty() && chosen.architecture != garden::this_architecture()) {
    broken("an entry is for this machine");
  }
}

void config(std::string_view text) {
  const auto read = garden::parse_image_config(text);
  for (const auto& variable : read.env) {
    const auto equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos || variable.find('\0') != std::string::npos) {
      broken("a variable has a name and a value");
    }
  }
  std::string chain;
  for (const auto& id : read.diff_ids) {
    chain = garden::next_chain_id(chain, id);
    if (!garden::is_digest(chain)) broken("a chain id is a digest");
  }
}

void challenges(std::string_view field) {
  std::size_t size = 0;
  for (const auto& challenge : garden::parse_challenges(field)) {
    if (challenge.scheme.empty()) broken("a challenge has a scheme");
    size += challenge.scheme.size();
    for (const auto& [name, value] : challenge.parameters) {
      if (name.empty() || std::ranges::any_of(name, [](char c) { return c >= 'A' && c <= 'Z'; })) {
        broken("names of parameters are in lower case");
      }
      size += name.size() + value.size();
    }
  }
  if (size > field.size()) broken("challenges come out of the field");
}

void token(std::string_view body) {
  const auto read = garden::token_from(body);
  if (read && (read->empty() || !is_printable(*read))) broken("a token can stand in a header");
}

void reference(std::string_view uri) {
  try {
    const auto read = garden::parse_image_reference(uri, "registry.example.com");
    const std::string path = "/" + read.repository + "/";
    if (!is_printable(read.text()) || path.find("/../") != std::string::npos || path.find("//") != std::string::npos) {
      broken("a name of an image can stand in the path of a URL");
    }
    if (read.version().find('/') != std::string::npos) broken("a version is one segment of a path");
    const std::string again = "docker://" + read.text();
    const auto same = must_accept("the name of an image is read",
                                  [&] { return garden::parse_image_reference(again, "other.example.com"); });
    if (same.text() != read.text()) broken("the name of an image reads as itself");
  } catch (const std::invalid_argument& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
  const std::string shown = garden::loggable_image_uri(uri);
  const auto authority = shown.find("://");
  const bool has_user =
      authority != std::string::npos &&
      shown.substr(authority + 3, shown.find('/', authority + 3) - authority - 3).find('@') != std::string::npos;
  if (shown.find('?') != std::string::npos || has_user) broken("nothing secret of a URI is logged");
}

// Registries redirect, and documents name other addresses.
void url(std::string_view text) {
  try {
    const auto read = net::Endpoint::parse_url(text);
    const net::Endpoint& endpoint = read.first;
    const std::string& target = read.second;
    if (endpoint.is_unix) return;
    if (endpoint.host.empty() || !target.starts_with('/')) broken("a URL has a host and a target");
    if (target.find('#') != std::string::npos) broken("a fragment is not sent");
    const std::string whole = endpoint.text() + target;
    const auto again = must_accept("a URL is read", [&] { return net::Endpoint::parse_url(whole); });
    if (again.first != endpoint || again.second != target) broken("a URL reads as itself: " + whole);
  } catch (const std::invalid_argument& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

constexpr std::array<Target, 6> kDocuments = {manifest, config, challenges, token, reference, url};

}  // namespace

void registry_documents(std::string_view bytes) {
  if (bytes.empty()) return;
  try {
    kDocuments[static_cast<unsigned char>(bytes.front()) % kDocuments.size()](bytes.substr(1));
  } catch (const BadImage& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

}  // namespace rivera::fuzz
