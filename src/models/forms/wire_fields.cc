#include "models/forms/wire_fields.h"

#include <cstddef>
#include <cstdint>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

namespace rivera::models {

std::optional<std::string_view> next_field(std::string_view& rest, int number) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(rest.data()),
                                               static_cast<int>(rest.size()));
  while (const std::uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) break;
      continue;
    }
    int size = 0;
    if (!input.ReadVarintSizeAsInt(&size)) break;
    const auto begin = static_cast<std::size_t>(input.CurrentPosition());
    if (!input.Skip(size)) break;
    if (WireFormatLite::GetTagFieldNumber(tag) != number) continue;
    const std::string_view content = rest.substr(begin, static_cast<std::size_t>(size));
    rest.remove_prefix(begin + content.size());
    return content;
  }
  rest = {};
  return std::nullopt;
}

std::string_view first_field(std::string_view message, int number) {
  return next_field(message, number).value_or(std::string_view());
}

}  // namespace rivera::models
