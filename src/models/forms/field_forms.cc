#include "models/forms/field_forms.h"

#include <set>
#include <unordered_map>

namespace rivera::models {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

void set_flag(FieldForm& form, const std::string& flag) {
  if (flag == "omitempty") form.omit_empty = true;
  if (flag == "inline") form.is_inline = true;
  if (flag == "always") form.is_always_written = true;
  if (flag == "oneof") form.is_optional = true;
  if (flag == "number") form.is_number = true;
  if (flag == "raw") form.is_raw = true;
  if (flag == "object") form.is_object = true;
}

FieldForm parse(const FieldDescriptor* field) {
  FieldForm form;
  form.field = field;
  form.name = field->name();
  if (!field->has_json_name()) return form;
  const std::string& tag = field->json_name();
  auto comma = tag.find(',');
  form.name = tag.substr(0, comma);
  while (comma != std::string::npos) {
    auto next = tag.find(',', comma + 1);
    set_flag(form, tag.substr(comma + 1, next == std::string::npos ? next : next - comma - 1));
    comma = next;
  }
  return form;
}

// True if a message of this type can contain an always-written submessage at any depth. `seen` breaks cycles: Action
// holds Action.
bool holds_always_written(const Descriptor* message, std::set<const Descriptor*>& seen) {
  if (!seen.insert(message).second) return false;
  for (int i = 0; i < message->field_count(); ++i) {
    const auto* field = message->field(i);
    if (parse(field).is_always_written) return true;
    if (field->message_type() != nullptr && holds_always_written(field->message_type(), seen)) return true;
  }
  return false;
}

void add_members(const MessageForm& form, std::vector<const FieldDescriptor*> path, std::vector<Member>& members) {
  for (const auto& field : form.fields) {
    auto way = path;
    way.push_back(field.field);
    if (field.is_inline) {
      add_members(form_of(field.field->message_type()), way, members);
    } else {
      members.push_back({way, &field});
    }
  }
}

void fill(MessageForm& form, const Descriptor* message) {
  for (int i = 0; i < message->field_count(); ++i) {
    const auto* field = message->field(i);
    form.fields.push_back(parse(field));
    if (form.fields.back().is_always_written) form.always_written.push_back(field);
    std::set<const Descriptor*> seen;
    if (field->message_type() != nullptr && holds_always_written(field->message_type(), seen)) {
      form.to_descend.push_back(field);
    }
  }
  add_members(form, {}, form.members);
}

}  // namespace

const MessageForm& form_of(const Descriptor* message) {
  // Nodes of unordered_map stay where they are, so references survive later insertions.
  thread_local std::unordered_map<const Descriptor*, MessageForm> forms;
  auto [entry, is_new] = forms.try_emplace(message);
  if (is_new) fill(entry->second, message);
  return entry->second;
}

}  // namespace rivera::models
