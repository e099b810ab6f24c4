// Egress rules as nftables expressions (docs/spec/garden.md §3.6). Pure.
#pragma once

#include <string>
#include <vector>

#include "clients/garden/garden_types.h"

namespace rivera::garden {

// What the rule accepts: one expression for each pair of a network and a range of ports, each preceded by one that logs
// if the rule says so. `handle` is named in the log. Throws clients::garden::GardenError if the rule is malformed, or
// names what this IPv4 network cannot express.
std::vector<std::string> net_out_expressions(const clients::garden::NetOutRule& rule, const std::string& handle);

// Throws GardenError if one of them is malformed, or if they are more than a chain can reasonably hold.
void check_rules(const std::vector<clients::garden::NetOutRule>& rules);

// `text` without what could end a quoted string of nftables' language, and at most `limit` characters.
std::string quotable(const std::string& text, std::size_t limit);

}  // namespace rivera::garden
