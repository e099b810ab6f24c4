#include <map>

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
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::size_t kMaxRawDepth = 256;

json::string text_value(const std::string& text) { return json::string(valid_utf8(text)); }

json::value enum_value(const FieldForm& form, int number) {
  if (form.is_number) return number;
  const auto* value = form.field->enum_type()->FindValueByNumber(number);
  return json::string(value != nullptr ? value->name() : std::to_string(number));
}

// A singular field, or element `at` of a repeated one (at >= 0).
json::value scalar_value(const Message& message, const FieldForm& form, int at = -1) {
  const auto* field = form.field;
  const auto* from = message.GetReflection();
  const bool one = at < 0;
  std::string scratch;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return one ? from->GetInt32(message, field) : from->GetRepeatedInt32(message, field, at);
    case FieldDescriptor::CPPTYPE_INT64:
      return one ? from->GetInt64(message, field) : from->GetRepeatedInt64(message, field, at);
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? from->GetUInt32(message, field) : from->GetRepeatedUInt32(message, field, at);
    case FieldDescriptor::CPPTYPE_UINT64:
      return one ? from->GetUInt64(message, field) : from->GetRepeatedUInt64(message, field, at);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return one ? from->GetDouble(message, field) : from->GetRepeatedDouble(message, field, at);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return one ? from->GetFloat(message, field) : from->GetRepeatedFloat(message, field, at);
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? from->GetBool(message, field) : from->GetRepeatedBool(message, field, at);
    case FieldDescriptor::CPPTYPE_ENUM:
      return enum_value(form,
                        one ? from->GetEnumValue(message, field) : from->GetRepeatedEnumValue(message, field, at));
    case FieldDescriptor::CPPTYPE_STRING: {
      const auto& text = one ? from->GetStringReference(message, field, &scratch)
                             : from->GetRepeatedStringReference(message, field, at, &scratch);
      if (field->type() == FieldDescriptor::TYPE_BYTES) return json::string(base::to_base64(text));
      return text_value(text);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(one ? from->GetMessage(message, field) : from->GetRepeatedMessage(message, field, at));
  }
  return nullptr;
}

// Go prints maps ordered by key.
json::value map_value(const Message& message, const FieldForm& form) {
  const auto* from = message.GetReflection();
  const auto* entry_type = form.field->message_type();
  FieldForm key;
  key.field = entry_type->map_key();
  FieldForm content;
  content.field = entry_type->map_value();
  std::map<std::string, json::value> ordered;
  for (int i = 0; i < from->FieldSize(message, form.field); ++i) {
    const auto& entry = from->GetRepeatedMessage(message, form.field, i);
    const auto name = scalar_value(entry, key);
    ordered[std::string(name.as_string())] = scalar_value(entry, content);
  }
  json::object object;
  for (auto& [name, value] : ordered) object[name] = std::move(value);
  return object;
}

json::value list_value(const Message& message, const FieldForm& form) {
  json::array list;
  const int size = message.GetReflection()->FieldSize(message, form.field);
  for (int i = 0; i < size; ++i) list.push_back(scalar_value(message, form, i));
  return list;
}

// Routes hold JSON texts; anything else prints as null.
json::value raw_value(const Message& message) {
  json::parse_options options;
  options.max_depth = kMaxRawDepth;
  std::map<std::string, std::string> ordered;
  for (const auto& [name, text] : static_cast<const ProtoRoutes&>(message).routes()) ordered[name] = text;
  json::object object;
  for (const auto& [name, text] : ordered) {
    boost::system::error_code error;
    auto value = json::parse(valid_utf8(text), error, {}, options);
    object[valid_utf8(name)] = error ? json::value(nullptr) : std::move(value);
  }
  return object;
}

// {"OptionalRoutable": {"routable": true}}. Where the member is spelled "Routable", false is left out.
json::value optional_value(const Message& message, const FieldForm& form) {
  if (!message.GetReflection()->HasField(message, form.field)) return nullptr;
  json::object object;
  const bool value = message.GetReflection()->GetBool(message, form.field);
  if (value || form.name == "routable") object[form.name] = value;
  return object;
}

bool is_empty_field(const Message& message, const FieldForm& form) {
  const auto* from = message.GetReflection();
  return form.field->is_repeated() ? from->FieldSize(message, form.field) == 0 : !from->HasField(message, form.field);
}

json::value field_value(const Message& message, const FieldForm& form) {
  if (form.field->is_repeated()) {
    if (is_empty_field(message, form) && !form.is_object) return nullptr;
    return form.field->is_map() ? map_value(message, form) : list_value(message, form);
  }
  if (form.field->message_type() == nullptr) return scalar_value(message, form);
  if (is_empty_field(message, form) && !form.is_always_written) return nullptr;
  if (form.is_raw) return raw_value(message.GetReflection()->GetMessage(message, form.field));
  return scalar_value(message, form);
}

void add_fields(const Message& message, json::object& object) {
  for (const auto& form : form_of(message.GetDescriptor()).fields) {
    if (form.is_optional) {
      object["OptionalRoutable"] = optional_value(message, form);
    } else if (form.is_inline) {
      if (is_empty_field(message, form) && !form.is_always_written) continue;
      add_fields(message.GetReflection()->GetMessage(message, form.field), object);
    } else if (!form.omit_empty || !is_empty_field(message, form)) {
      object[form.name] = field_value(message, form);
    }
  }
}

void write(const json::value& value, go_json::Writer& out) {
  switch (value.kind()) {
    case json::kind::null:
      out.null();
      return;
    case json::kind::bool_:
      out.flag(value.get_bool());
      return;
    case json::kind::int64:
      out.integer(value.get_int64());
      return;
    case json::kind::uint64:
      out.natural(value.get_uint64());
      return;
    case json::kind::double_:
      out.number(value.get_double());
      return;
    case json::kind::string:
      out.text(value.get_string());
      return;
    case json::kind::array:
      out.begin_list();
      for (const auto& element : value.get_array()) write(element, out);
      out.end_list();
      return;
    case json::kind::object:
      out.begin_object();
      for (const auto& member : value.get_object()) {
        out.key(member.key());
        write(member.value(), out);
      }
      out.end_object();
      return;
  }
}

}  // namespace

json::value to_json(const Message& message) {
  json::object object;
  add_fields(message, object);
  return object;
}

std::string to_json_text(const json::value& value) {
  go_json::Writer out;
  write(value, out);
  return out.take();
}

std::string to_json_text(const Message& message) { return to_json_text(to_json(message)); }

}  // namespace rivera::models
