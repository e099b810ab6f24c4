#include "models/forms/wire.h"

#include <bit>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include "models/errors.h"
#include "models/forms/field_forms.h"

namespace rivera::models {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr int kMaxDepth = 100;  // protobuf's own limit for nested messages
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the well-formed UTF-8 sequence at the start of `text`; 0 if it is ill-formed (Unicode, table 3-7).
std::size_t sequence_length(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

bool repair(std::string_view bytes, const Descriptor* type, int depth, std::string& out);

// The content of a length-delimited field, repaired if it is text or a message.
bool repair_content(const std::string& content, const FieldDescriptor* field, int depth, std::string& out) {
  std::string repaired;
  if (field != nullptr && field->type() == FieldDescriptor::TYPE_STRING) {
    repaired = valid_utf8(content);
  } else if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
    if (!repair(content, field->message_type(), depth + 1, repaired)) return false;
  } else {
    repaired = content;
  }
  append_varint(out, repaired.size());
  out += repaired;
  return true;
}

// Copies one message field by field; text that is not UTF-8 is replaced. False if the bytes are malformed.
bool repair(std::string_view bytes, const Descriptor* type, int depth, std::string& out) {
  if (depth > kMaxDepth) return false;
  CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  while (true) {
    const auto tag = input.ReadTag();
    if (tag == 0) return input.ConsumedEntireMessage();
    if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      int length = 0;
      std::string content;
      if (!input.ReadVarintSizeAsInt(&length) || !input.ReadString(&content, length)) return false;
      append_varint(out, tag);
      if (!repair_content(content, type->FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag)), depth, out)) {
        return false;
      }
      continue;
    }
    google::protobuf::io::StringOutputStream target(&out);
    CodedOutputStream output(&target);
    if (!WireFormatLite::SkipField(&input, tag, &output)) return false;
  }
}

void silence_protobuf() {
  // Protobuf would write a line to stderr for each text that is not UTF-8, which is any client's to send.
  static google::protobuf::LogHandler* const once = google::protobuf::SetLogHandler(nullptr);
  (void)once;
}

// Calls `visit` with each submessage below the fields to descend into, until it returns false.
template <typename Visit>
bool each_below(const Message& message, const FieldDescriptor* field, Visit visit) {
  const auto* reflection = message.GetReflection();
  if (!field->is_repeated()) {
    return !reflection->HasField(message, field) || visit(reflection->GetMessage(message, field));
  }
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    if (!visit(reflection->GetRepeatedMessage(message, field, i))) return false;
  }
  return true;
}

bool is_filled(const Message& message) {
  const auto& form = form_of(message.GetDescriptor());
  for (const auto* field : form.always_written) {
    if (!message.GetReflection()->HasField(message, field)) return false;
  }
  for (const auto* field : form.to_descend) {
    if (!each_below(message, field, is_filled)) return false;
  }
  return true;
}

}  // namespace

bool decode(std::string_view bytes, Message& message) {
  silence_protobuf();
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return false;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    std::string repaired;
    if (!repair(bytes, message.GetDescriptor(), 0, repaired)) return false;
    if (!message.ParseFromString(repaired)) return false;
  }
  message.DiscardUnknownFields();
  return true;
}

std::string encode(Message& message) {
  fill_always_emitted(message);
  return message.SerializeAsString();
}

std::string encode(const Message& message) {
  if (is_filled(message)) return message.SerializeAsString();
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  return encode(*copy);
}

std::string encode(const ActualLRP& lrp) {
  const bool is_complete = lrp.has_actual_lrp_key() && lrp.has_actual_lrp_instance_key() &&
                           lrp.has_actual_lrp_net_info() && lrp.has_modification_tag();
  if (is_complete) return lrp.SerializeAsString();
  ActualLRP copy = lrp;
  fill_always_emitted(copy);
  return copy.SerializeAsString();
}

std::string encode(const DesiredLRPSchedulingInfo& info) {
  const bool is_complete =
      info.has_desired_lrp_key() && info.has_desired_lrp_resource() && info.has_routes() && info.has_modification_tag();
  if (is_complete) return info.SerializeAsString();
  DesiredLRPSchedulingInfo copy = info;
  fill_always_emitted(copy);
  return copy.SerializeAsString();
}

void fill_always_emitted(Message& message) {
  const auto& form = form_of(message.GetDescriptor());
  const auto* reflection = message.GetReflection();
  for (const auto* field : form.always_written) reflection->MutableMessage(&message, field);
  for (const auto* field : form.to_descend) {
    if (!field->is_repeated()) {
      if (reflection->HasField(message, field)) fill_always_emitted(*reflection->MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      fill_always_emitted(*reflection->MutableRepeatedMessage(&message, field, i));
    }
  }
}

void fill_always_emitted(ActualLRP& lrp) {
  lrp.mutable_actual_lrp_key();
  lrp.mutable_actual_lrp_instance_key();
  lrp.mutable_actual_lrp_net_info();
  lrp.mutable_modification_tag();
}

void fill_always_emitted(ActualLRPInfo& info) {
  info.mutable_actual_lrp_net_info();
  info.mutable_modification_tag();
}

void fill_always_emitted(DesiredLRPSchedulingInfo& info) {
  info.mutable_desired_lrp_key();
  info.mutable_desired_lrp_resource();
  info.mutable_routes();
  info.mutable_modification_tag();
}

void append_field(std::string& message, std::uint32_t field_number, std::string_view encoded) {
  append_varint(message, std::uint64_t{field_number} << 3 | 2);
  append_varint(message, encoded.size());
  message.append(encoded);
}

std::size_t field_size(std::uint32_t field_number, std::size_t encoded_size) {
  const auto varint_size = [](std::uint64_t value) { return (std::bit_width(value | 1) + 6) / 7; };
  return static_cast<std::size_t>(varint_size(std::uint64_t{field_number} << 3 | 2) + varint_size(encoded_size)) +
         encoded_size;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto length = sequence_length(text);
    result.append(length == 0 ? kReplacement : text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

void throw_bad_request() { throw bad_request(); }

}  // namespace rivera::models
