// Hexadecimal and base64 forms of bytes.
#pragma once

#include <string>
#include <string_view>

namespace rivera::base {

std::string to_hex(std::string_view bytes);
// Throws std::invalid_argument on an odd length or a character that is not a hexadecimal digit.
std::string from_hex(std::string_view hex);

// Standard alphabet, padded, unwrapped.
std::string to_base64(std::string_view bytes);
void append_base64(std::string& out, std::string_view bytes);
// Throws std::invalid_argument on a bad length, alphabet or padding.
std::string from_base64(std::string_view text);

}  // namespace rivera::base
