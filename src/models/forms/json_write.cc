#include <map>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "base/bytes.h"
#include "models/forms/field_forms.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"
#include "models/go/go_document.h"
#include "models/go/go_json.h"

namespace rivera::models {
namespace {

namespace json = boost::json;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kMaxRawDepth = 256;

using go_json::Writer;

void write_fields(const Message& message, Writer& out);

void write_object(const Message& message, Writer& out) {
  out.begin_object();
  write_fields(message, out);
  out.end_object();
}

void write_enum(const FieldForm& form, int number, Writer& out) {
  if (form.is_number) {
    out.integer(number);
    return;
  }
  const auto* value = form.field->enum_type()->FindValueByNumber(number);
  out.text(value != nullptr ? value->name() : std::to_string(number));
}

// A singular field, or element `at` of a repeated one (at >= 0).
void write_scalar(const Message& message, const FieldForm& form, Writer& out, int at = -1) {
  const auto* field = form.field;
  const auto* from = message.GetReflection();
  const bool one = at < 0;
  std::string scratch;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      out.integer(one ? from->GetInt32(message, field) : from->GetRepeatedInt32(message, field, at));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      out.integer(one ? from->GetInt64(message, field) : from->GetRepeatedInt64(message, field, at));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out.natural(one ? from->GetUInt32(message, field) : from->GetRepeatedUInt32(message, field, at));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out.natural(one ? from->GetUInt64(message, field) : from->GetRepeatedUInt64(message, field, at));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      out.number(one ? from->GetDouble(message, field) : from->GetRepeatedDouble(message, field, at));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      out.number(
          static_cast<double>(one ? from->GetFloat(message, field) : from->GetRepeatedFloat(message, field, at)));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      out.flag(one ? from->GetBool(message, field) : from->GetRepeatedBool(message, field, at));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      write_enum(form, one ? from->GetEnumValue(message, field) : from->GetRepeatedEnumValue(message, field, at), out);
      return;
    case FieldDescriptor::CPPTYPE_STRING: {
      const auto& text = one ? from->GetStringReference(message, field, &scratch)
                             : from->GetRepeatedStringReference(message, field, at, &scratch);
      out.text(field->type() == FieldDescriptor::TYPE_BYTES ? base::to_base64(text) : valid_utf8(text));
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      write_object(one ? from->GetMessage(message, field) : from->GetRepeatedMessage(message, field, at), out);
      return;
  }
}

// Go prints maps ordered by key.
void write_map(const Message& message, const FieldForm& form, Writer& out) {
  const auto* from = message.GetReflection();
  const auto* entry_type = form.field->message_type();
  FieldForm content;
  content.field = entry_type->map_value();
  std::map<std::string, const Message*> ordered;
  for (int i = 0; i < from->FieldSize(message, form.field); ++i) {
    const auto& entry = from->GetRepeatedMessage(message, form.field, i);
    ordered[valid_utf8(entry.GetReflection()->GetString(entry, entry_type->map_key()))] = &entry;
  }
  out.begin_object();
  for (const auto& [name, entry] : ordered) {
    out.key(name);
    write_scalar(*entry, content, out);
  }
  out.end_object();
}

void write_list(const Message& message, const FieldForm& form, Writer& out) {
  out.begin_list();
  const int size = message.GetReflection()->FieldSize(message, form.field);
  for (int i = 0; i < size; ++i) write_scalar(message, form, out, i);
  out.end_list();
}

// Routes hold JSON texts, which Go prints as they are, except white space; without any it has a nil map. What is not
// JSON, where Go prints nothing at all, is null.
void write_raw(const Message& message, Writer& out) {
  std::map<std::string, std::string> ordered;
  for (const auto& [name, text] : static_cast<const ProtoRoutes&>(message).routes()) {
    ordered[valid_utf8(name)] = valid_utf8(text);
  }
  if (ordered.empty()) {
    out.null();
    return;
  }
  out.begin_object();
  for (const auto& [name, text] : ordered) {
    out.key(name);
    std::string compacted = "null";
    try {
      go_json::read_document(text, kMaxRawDepth);
      compacted = go_json::compacted(text);
    } catch (const JsonError&) {
    }
    out.raw(compacted);
  }
  out.end_object();
}

// {"OptionalRoutable": {"routable": true}}. Where the member is spelled "Routable", false is left out.
void write_optional(const Message& message, const FieldForm& form, Writer& out) {
  if (!message.GetReflection()->HasField(message, form.field)) {
    out.null();
    return;
  }
  const bool value = message.GetReflection()->GetBool(message, form.field);
  out.begin_object();
  if (value || form.name == "routable") out.key(form.name).flag(value);
  out.end_object();
}

bool is_empty_field(const Message& message, const FieldForm& form) {
  const auto* from = message.GetReflection();
  return form.field->is_repeated() ? from->FieldSize(message, form.field) == 0 : !from->HasField(message, form.field);
}

void write_field(const Message& message, const FieldForm& form, Writer& out) {
  const bool is_empty = is_empty_field(message, form);
  const bool is_message = form.field->message_type() != nullptr;
  if (form.field->is_repeated()) {
    if (is_empty && !form.is_object) {
      out.null();
    } else if (form.field->is_map()) {
      write_map(message, form, out);
    } else {
      write_list(message, form, out);
    }
  } else if (is_message && is_empty && !form.is_always_written) {
    out.null();
  } else if (is_message && form.is_raw) {
    write_raw(message.GetReflection()->GetMessage(message, form.field), out);
  } else {
    write_scalar(message, form, out);
  }
}

void write_fields(const Message& message, Writer& out) {
  for (const auto& form : form_of(message.GetDescriptor()).fields) {
    if (form.is_optional) {
      write_optional(message, form, out.key("OptionalRoutable"));
    } else if (form.is_inline) {
      if (is_empty_field(message, form) && !form.is_always_written) continue;
      write_fields(message.GetReflection()->GetMessage(message, form.field), out);
    } else if (!form.omit_empty || !is_empty_field(message, form)) {
      write_field(message, form, out.key(form.name));
    }
  }
}

void write(const json::value& value, Writer& out) {
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
  json::parse_options options;
  options.max_depth = std::size_t{2} * kMaxRawDepth;
  return json::parse(to_json_text(message), {}, options);
}

std::string to_json_text(const json::value& value) {
  Writer out;
  write(value, out);
  return out.take();
}

std::string to_json_text(const Message& message) {
  Writer out;
  write_object(message, out);
  return out.take();
}

}  // namespace rivera::models
