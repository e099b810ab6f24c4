#include <charconv>
#include <limits>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "base/bytes.h"
#include "models/forms/field_forms.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"
#include "models/go/go_json.h"

namespace rivera::models {
namespace {

namespace json = boost::json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kMaxParsedDepth = 256;

[[noreturn]] void fail(std::string_view member, std::string_view expected) {
  throw std::invalid_argument(std::string(member) + ": expected " + std::string(expected));
}

// An integer without fraction or exponent, within the range of T.
template <typename T>
T integer(const json::value& value, std::string_view member) {
  if (value.is_int64() && std::in_range<T>(value.get_int64())) return static_cast<T>(value.get_int64());
  if (value.is_uint64() && std::in_range<T>(value.get_uint64())) return static_cast<T>(value.get_uint64());
  fail(member, "an integer between " + std::to_string(std::numeric_limits<T>::min()) + " and " +
                   std::to_string(std::numeric_limits<T>::max()));
}

double number(const json::value& value, std::string_view member) {
  if (!value.is_number()) fail(member, "a number");
  return value.to_number<double>();
}

bool flag(const json::value& value, std::string_view member) {
  if (!value.is_bool()) fail(member, "true or false");
  return value.get_bool();
}

std::string text(const json::value& value, const FieldDescriptor* field, std::string_view member) {
  if (!value.is_string()) fail(member, "a string");
  std::string result(value.get_string());
  if (field->type() != FieldDescriptor::TYPE_BYTES) return result;
  try {
    return base::from_base64(result);
  } catch (const std::invalid_argument&) {
    fail(member, "base64");
  }
}

// A name, a number, or the text of a number: the form in which unknown ones are printed.
int enum_number(const json::value& value, const FieldDescriptor* field, std::string_view member) {
  if (value.is_number()) return integer<std::int32_t>(value, member);
  if (!value.is_string()) fail(member, "a name or a number");
  const std::string name(value.get_string());
  if (const auto* known = field->enum_type()->FindValueByName(name)) return known->number();
  int unknown = 0;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), unknown);
  if (end.ec != std::errc{} || end.ptr != name.data() + name.size()) {
    fail(member, "a name of " + field->enum_type()->name());
  }
  return unknown;
}

void read_fields(const json::value& value, std::string_view member, Message& message);

// Puts a value into a singular field.
void set(Message& message, const FieldDescriptor* field, const json::value& value, std::string_view member) {
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
void add(Message& message, const FieldDescriptor* field, const json::value& value, std::string_view member) {
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

void read_list(Message& message, const FieldDescriptor* field, const json::value& value, std::string_view member) {
  if (!value.is_array()) fail(member, "a list");
  message.GetReflection()->ClearField(&message, field);
  for (const auto& element : value.get_array()) add(message, field, element, member);
}

void read_map(Message& message, const FieldDescriptor* field, const json::value& value, std::string_view member) {
  if (!value.is_object()) fail(member, "an object");
  const auto* entry_type = field->message_type();
  for (const auto& element : value.get_object()) {
    auto& entry = *message.GetReflection()->AddMessage(&message, field);
    entry.GetReflection()->SetString(&entry, entry_type->map_key(), std::string(element.key()));
    if (!element.value().is_null()) set(entry, entry_type->map_value(), element.value(), member);
  }
}

// Routes keep the JSON text of each entry.
void read_raw(Message& message, const json::value& value, std::string_view member) {
  if (!value.is_object()) fail(member, "an object");
  auto& routes = *static_cast<ProtoRoutes&>(message).mutable_routes();
  for (const auto& entry : value.get_object()) routes[std::string(entry.key())] = to_json_text(entry.value());
}

// {"OptionalRoutable": {"routable": true}}; an empty object is false.
void read_optional(Message& message, const FieldForm& form, const json::value& value) {
  if (!value.is_object()) fail("OptionalRoutable", "an object");
  bool is_set = false;
  for (const auto& entry : value.get_object()) {
    if (go_json::same_key(entry.key(), form.name)) is_set = flag(entry.value(), form.name);
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

void read_member(Message& message, const Member& member, const json::value& value) {
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

void read_fields(const json::value& value, std::string_view member_name, Message& message) {
  if (!value.is_object()) fail(member_name, "an object");
  const auto& form = form_of(message.GetDescriptor());
  for (const auto& entry : value.get_object()) {
    if (entry.value().is_null()) continue;
    const auto* member = find_member(form, entry.key());
    if (member != nullptr) read_member(message, *member, entry.value());
  }
}

}  // namespace

void from_json(const json::value& value, Message& message) {
  if (value.is_null()) return;
  read_fields(value, message.GetDescriptor()->name(), message);
}

void from_json_text(std::string_view text, Message& message) {
  json::parse_options options;
  options.max_depth = kMaxParsedDepth;
  boost::system::error_code error;
  const auto value = json::parse(valid_utf8(text), error, {}, options);
  if (error) throw std::invalid_argument("not JSON: " + error.message());
  from_json(value, message);
}

}  // namespace rivera::models
