// URLs split as Go's net/url does, as far as placement depends on it (docs/spec/locket-and-auction.md §3.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rivera::models {

struct SplitUrl {
  std::string scheme;  // lower case; "" if there is none
  std::string_view
      opaque;  // "cflinuxfs4" of "preloaded:cflinuxfs4?layer=x"; "" for URLs with slashes; refers into the text
};

// nullopt for a text that Go's url.Parse refuses.
std::optional<SplitUrl> split_go_url(std::string_view text);

}  // namespace rivera::models
