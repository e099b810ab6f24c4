// The table of single values beside the records: version, key label, term (docs/spec/bbs.md §6.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rivera::sql {
class Connection;
}

namespace rivera::bbs {

inline constexpr const char* kVersionKey = "version";
inline constexpr const char* kLabelKey = "encryption_key_label";
// Ours; upstream does not look at it.
inline constexpr const char* kTermKey = "rivera_active_term";

// `suffix` is appended to the statement. With Dialect::for_update(), other readers that use it wait for this
// transaction.
std::optional<std::string> configuration(sql::Connection& connection, const char* id, std::string_view suffix = "");
void set_configuration(sql::Connection& connection, const char* id, const std::string& value);

}  // namespace rivera::bbs
