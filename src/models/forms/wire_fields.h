// Reads single fields of an encoded message, without decoding the message.
#pragma once

#include <optional>
#include <string_view>

namespace rivera::models {

// The content of the next field with this number, which is text, bytes or a message, in the encoded message `rest`;
// nullopt if there is none, or where the bytes are malformed. `rest` becomes what is behind it: of a repeated field or
// a map, the next call returns the next entry. Views the bytes of `rest`.
std::optional<std::string_view> next_field(std::string_view& rest, int number);

// The content of the first such field of `message`; "" if there is none.
std::string_view first_field(std::string_view message, int number);

}  // namespace rivera::models
