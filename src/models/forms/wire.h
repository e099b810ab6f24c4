// Messages as bytes, as upstream reads and writes them (docs/spec/bbs.md §2.1).
//
// Differences from plain protobuf: text that is not UTF-8 is read, not refused; the submessages that upstream always
// writes are written even if they are empty.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/models.h"

namespace rivera::models {

// Reads `bytes` into `message`. Unknown fields are dropped; invalid UTF-8 in text becomes U+FFFD. Returns false if the
// bytes are malformed; `message` is then in an unspecified state.
bool decode(std::string_view bytes, google::protobuf::Message& message);

// decode(), or throws ModelError InvalidRequest with the text for an undecodable body.
template <typename Message>
Message decode_request(std::string_view bytes);

// The bytes of `message`, always-written submessages included; it is changed only by adding those, empty.
std::string encode(google::protobuf::Message& message);
// The same of a message that must not change: works on a copy unless nothing has to be added.
std::string encode(const google::protobuf::Message& message);
// The same, faster, for records that the BBS encodes by the hundred thousand.
std::string encode(const ActualLRP& lrp);
std::string encode(const DesiredLRPSchedulingInfo& info);

// Adds the submessages that are always written, throughout the message. Cheap for the messages that have none.
void fill_always_emitted(google::protobuf::Message& message);
// The same, faster, for what the BBS handles by the hundred thousand.
void fill_always_emitted(ActualLRP& lrp);
void fill_always_emitted(ActualLRPInfo& info);
void fill_always_emitted(DesiredLRPSchedulingInfo& info);
// A desired LRP and a task have none in themselves; these are here so that generic code costs nothing.
inline void fill_always_emitted(DesiredLRP&) {}
inline void fill_always_emitted(Task&) {}

// Appends one entry of a repeated message field (field number, length, bytes) to an encoded message: lists of encoded
// records become a response without being decoded.
void append_field(std::string& message, std::uint32_t field_number, std::string_view encoded);
// How many bytes append_field() adds for so many encoded ones.
std::size_t field_size(std::uint32_t field_number, std::size_t encoded_size);

// `text` with each invalid byte sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);
bool is_valid_utf8(std::string_view text);

[[noreturn]] void throw_bad_request();

template <typename Message>
Message decode_request(std::string_view bytes) {
  Message message;
  if (!decode(bytes, message)) throw_bad_request();
  return message;
}

}  // namespace rivera::models
