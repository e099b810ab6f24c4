// Reading of tests/golden, and what upstream's older version is allowed to leave out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "models/models.h"

namespace rivera::conformance {

// The lines of a file in tests/golden. Throws if it cannot be read.
std::vector<boost::json::object> golden_lines(const std::string& file_name);

// A new message by upstream's name ("models.Task", "Task"). Throws if there is no such message.
std::unique_ptr<google::protobuf::Message> new_message(std::string_view upstream_name);

// What our JSON form may have beyond one recorded from v2.80.0: the members that HEAD added (docs/spec/bbs.md §10),
// where they are empty. Returns `ours` without them.
boost::json::value without_newer_members(const boost::json::value& ours, const boost::json::value& recorded);

// The body of a recorded request or response: {"text": ...} or {"hex": ...}; empty for null.
std::string body_of(const boost::json::value& recorded);

// The messages of the routes in conversations.jsonl.
struct RouteMessages {
  std::string request;
  std::string response;
};
std::optional<RouteMessages> messages_of(std::string_view path);

// Whether `message`, decoded from `bytes`, encodes to them again, order of map entries apart.
bool same_bytes_but_for_maps(const std::string& bytes, google::protobuf::Message& message);

}  // namespace rivera::conformance
