// Messages in upstream's JSON form, both ways (docs/spec/bbs.md §2.1, §2.13).
//
// The form is declared in proto/*.proto: json_name holds what a Go struct tag would hold, a name and flags.
//   omitempty  left out when empty
//   inline     the members of the submessage are members of the object itself
//   always     the submessage is written on the wire even when empty (src/models/wire.h)
//   oneof      an optional, printed as {"OptionalRoutable": {NAME: value}} or null
//   number     an enum printed as its number, where others print their name
//   raw        a map of JSON texts, printed as they are, except white space; null when empty
//   object     a map printed as {} when empty, where others print null
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "models/models.h"

namespace rivera::models {

// The JSON form, members in upstream's order.
boost::json::value to_json(const google::protobuf::Message& message);
// The same as text, with < > & and U+2028/9 escaped as Go does.
std::string to_json_text(const google::protobuf::Message& message);
// Any JSON as Go prints it.
std::string to_json_text(const boost::json::value& value);

// Reads the JSON form into `message`, as Go's decoder does: names match whatever their case, the last of several
// members for one field wins, unknown members are ignored, null empties lists, maps and submessages and leaves the rest
// as it is. Throws std::invalid_argument if the text is not JSON, and, naming the member, on a value of the wrong type,
// range or enum name.
void from_json_text(std::string_view text, google::protobuf::Message& message);

template <typename Message>
Message parse_json(std::string_view text) {
  Message message;
  from_json_text(text, message);
  return message;
}

}  // namespace rivera::models
