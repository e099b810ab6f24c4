// What a registry asks for before it answers (RFC 9110 §11.6.1, the Docker registry's token authentication). Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::garden {

struct Challenge {
  std::string scheme;                             // in lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in lower case
  std::string parameter(const std::string& name) const;
};

// The challenges of one WWW-Authenticate field; what cannot be read ends the list.
std::vector<Challenge> parse_challenges(std::string_view field);

// The token in a token server's answer: "token", else "access_token"; nullopt if there is none that can stand in a
// header.
std::optional<std::string> token_from(std::string_view body);

}  // namespace rivera::garden
