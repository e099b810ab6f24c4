#include <charconv>
#include <limits>

#include "base/bytes.h"
#include "models/forms/field_forms.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"
#include "models/go/go_document.h"
#include "models/go/go_json.h"
#include "models/go/go_values.h"

namespace rivera::models {
namespace {

using go_json::Document;
using Kind = go_json::Document::Kind;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kMaxParsedDepth = 256;

[[noreturn]] void fail(std::string_view member, std::string_view expected) {
  throw std::invalid_argument(std::string(member) + ": expected " + std::string(expected));
}

// An integer without fraction or exponent, within the range of T.
template <typename T>
T integer(const Document& value, std::string_view member) {
  T number = 0;
  const char* end = value.raw.data() + value.raw.size();
  const auto parsed = std::from_chars(value.raw.data(), end, number);
  const bool is_zero = value.raw == "-0";
  if (value.kind == Kind::kNumber && is_zero) return 0;
  if (value.kind == Kind::kNumber && parsed.ec == std::errc{} && parsed.ptr == end) return number;
  fail(member, "an integer between " + std::to_string(std::numeric_limits<T>::min()) + " and " +
                   std::to_string(std::numeric_limits<T>::max()));
}

double number(const Document& value, std::string_view member) {
  double number = 0;
  const char* end = value.raw.data() + value.raw.size();
  const auto parsed = std::from_chars(value.raw.data(), end, number);
  if (value.kind != Kind::kNumber || parsed.ec != std::errc{} || parsed.ptr != end) fail(member, "a number");
  return number;
}

bool flag(const Document& value, std::string_view member) {
  if (value.kind != Kind::kTrue && value.kind != Kind::kFalse) fail(member, "true or false");
  return value.kind == Kind::kTrue;
}

std::string text(const Document& value, const FieldDescriptor* field, std::string_view member) {
  if (value.kind != Kind::kText) fail(member, "a string");
  if (field->type() != FieldDescriptor::TYPE_BYTES) return value.text;
  try {
    return base::from_base64(value.text);
  } catch (const std::invalid_argument&) {
    fail(member, "base64");
  }
}

// A name, a number, or the text of a number: the form in which unknown ones are printed.
int enum_number(const Document& value, const FieldDescriptor* field, std::string_view member) {
  if (value.kind == Kind::kNumber) return integer<std::int32_t>(value, member);
  if (value.kind != Kind::kText) fail(member, "a name or a number");
  const std::string& name = value.text;
  if (const auto* known = field->enum_type()->FindValueByName(name)) return known->number();
  int unknown = 0;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), unknown);
  if (end.ec != std::errc{} || end.ptr != name.data() + name.size()) {
    fail(member, "a name of " + field->enum_type()->name());
  }
  return unknown;
}

void read_fields(const Document& value, std::string_view member, Message& message);

// Puts a value into a singular field.
void set(Message& message, const FieldDescriptor* field, const Document& value, std::string_view member) {
  const auto* into = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return into->SetInt32(&message, field, integer<std::int32_t>(value, member));
    case FieldDescriptor::CPPTYPE_INT64:
      return into->SetInt64(&message, field, integer<std::int64_t>(value, member));
    case FieldDescriptor::CPPTYPE_UINT32:
      return into->SetUInt32(&message, field, integer<std::uint32_t>(value, member));
    case FieldDescriptor::CPPTYPE_UINT64:
      return into->SetUInt64(&message, field, integer<std::uint64_t>(value, member));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return into->SetDouble(&message, field, number(value, member));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return into->SetFloat(&message, field, static_cast<float>(number(value, member)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return into->SetBool(&message, field, flag(value, member));
    case FieldDescriptor::CPPTYPE_ENUM:
      return into->SetEnumValue(&message, field, enum_number(value, field, member));
    case FieldDescriptor::CPPTYPE_STRING:
      return into->SetString(&message, field, text(value, field, member));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return read_fields(value, member, *into->MutableMessage(&message, field));
  }
}

// Adds an element to a repeated field; null is an empty one.
void add(Message& message, const FieldDescriptor* field, const Document& value, std::string_view member) {
  const auto* into = message.GetReflection();
  const bool is_null = value.is_null();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return into->AddString(&message, field, is_null ? "" : text(value, field, member));
    case FieldDescriptor::CPPTYPE_UINT32:
      return into->AddUInt32(&message, field, is_null ? 0 : integer<std::uint32_t>(value, member));
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      auto& element = *into->AddMessage(&message, field);
      if (!is_null) read_fields(value, member, element);
      return;
    }
    default:
      fail(member, "a list this program knows");  // the messages have no other repeated fields
  }
}

void read_list(Message& message, const FieldDescriptor* field, const Document& value, std::string_view member) {
  if (value.kind != Kind::kList) fail(member, "a list");
  message.GetReflection()->ClearField(&message, field);
  for (const auto& element : value.elements) add(message, field, element, member);
}

// Adds to what an earlier member of the same name has put into the map. The last of equal keys wins.
void read_map(Message& message, const FieldDescriptor* field, const Document& value, std::string_view member) {
  if (value.kind != Kind::kObject) fail(member, "an object");
  const auto* entry_type = field->message_type();
  for (std::size_t i = 0; i < value.names.size(); ++i) {
    auto& entry = *message.GetReflection()->AddMessage(&message, field);
    entry.GetReflection()->SetString(&entry, entry_type->map_key(), value.names[i]);
    if (!value.elements[i].is_null()) set(entry, entry_type->map_value(), value.elements[i], member);
  }
}

// Routes keep the JSON text of each entry as it was written.
void read_raw(Message& message, const Document& value, std::string_view member) {
  if (value.kind != Kind::kObject) fail(member, "an object");
  auto& routes = *static_cast<ProtoRoutes&>(message).mutable_routes();
  for (std::size_t i = 0; i < value.names.size(); ++i) routes[value.names[i]] = std::string(value.elements[i].raw);
}

// {"OptionalRoutable": {"routable": true}}; an empty object is false.
void read_optional(Message& message, const FieldForm& form, const Document& value) {
  if (value.kind != Kind::kObject) fail("OptionalRoutable", "an object");
  bool is_set = false;
  for (std::size_t i = 0; i < value.names.size(); ++i) {
    const bool is_it = go_json::same_key(value.names[i], form.name) && !value.elements[i].is_null();
    if (is_it) is_set = flag(value.elements[i], form.name);
  }
  message.GetReflection()->SetBool(&message, form.field, is_set);
}

// The member's field, and the submessage that holds it.
Message& holder_of(Message& message, const Member& member) {
  Message* holder = &message;
  for (std::size_t i = 0; i + 1 < member.path.size(); ++i) {
    holder = holder->GetReflection()->MutableMessage(holder, member.path[i]);
  }
  return *holder;
}

void read_member(Message& message, const Member& member, const Document& value) {
  const auto& form = *member.form;
  const auto* field = form.field;
  auto& holder = holder_of(message, member);
  if (form.is_optional) {
    read_optional(holder, form, value);
  } else if (form.is_raw) {
    read_raw(*holder.GetReflection()->MutableMessage(&holder, field), value, form.name);
  } else if (field->is_map()) {
    read_map(holder, field, value, form.name);
  } else if (field->is_repeated()) {
    read_list(holder, field, value, form.name);
  } else {
    set(holder, field, value, form.name);
  }
}

std::string_view name_of(const Member& member) {
  return member.form->is_optional ? std::string_view("OptionalRoutable") : member.form->name;
}

// An exact match takes precedence over one that differs in case only.
const Member* find_member(const MessageForm& form, std::string_view name) {
  const Member* similar = nullptr;
  for (const auto& member : form.members) {
    if (name_of(member) == name) return &member;
    if (similar == nullptr && go_json::same_key(name, name_of(member))) similar = &member;
  }
  return similar;
}

// Null empties what is a pointer, a list or a map to Go, and leaves anything else as it is.
void read_null(Message& message, const Member& member) {
  const auto& form = *member.form;
  const bool is_emptied = form.is_optional || form.field->is_repeated() ||
                          (form.field->message_type() != nullptr && !form.is_always_written) ||
                          form.field->real_containing_oneof() != nullptr;
  if (!is_emptied) return;
  auto& holder = holder_of(message, member);
  holder.GetReflection()->ClearField(&holder, form.field);
}

// Members count in the order in which they were written: of two for one field, in whatever case, the last wins.
void read_fields(const Document& value, std::string_view member_name, Message& message) {
  if (value.kind != Kind::kObject) fail(member_name, "an object");
  const auto& form = form_of(message.GetDescriptor());
  for (std::size_t i = 0; i < value.names.size(); ++i) {
    const auto* member = find_member(form, value.names[i]);
    if (member == nullptr) continue;
    if (value.elements[i].is_null()) {
      read_null(message, *member);
    } else {
      read_member(message, *member, value.elements[i]);
    }
  }
}

}  // namespace

void from_json_text(std::string_view text, Message& message) {
  const std::string clean = valid_utf8(text);
  Document value;
  try {
    value = go_json::read_document(clean, kMaxParsedDepth);
  } catch (const JsonError& e) {
    throw std::invalid_argument(e.what());
  }
  if (!value.is_null()) read_fields(value, message.GetDescriptor()->name(), message);
}

}  // namespace rivera::models
