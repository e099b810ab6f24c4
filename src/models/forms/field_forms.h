// What the field names of proto/*.proto declare about JSON and wire, parsed once per message type. Internal to
// src/models: see json.h for the meaning of the flags.
#pragma once

#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>

namespace rivera::models {

struct FieldForm {
  const google::protobuf::FieldDescriptor* field = nullptr;
  std::string name;
  bool omit_empty = false;
  bool is_inline = false;
  bool is_always_written = false;
  bool is_optional = false;  // flag `oneof`
  bool is_number = false;
  bool is_raw = false;
  bool is_object = false;
};

// A member of the JSON object and the way to its field through inline submessages.
struct Member {
  std::vector<const google::protobuf::FieldDescriptor*> path;
  const FieldForm* form = nullptr;
};

struct MessageForm {
  std::vector<FieldForm> fields;  // in the order of the file, which is that of the numbers
  std::vector<Member> members;    // with inline submessages resolved; what reading JSON needs
  // For adding always-written submessages: the fields themselves, and the fields that contain some at any depth.
  std::vector<const google::protobuf::FieldDescriptor*> always_written;
  std::vector<const google::protobuf::FieldDescriptor*> to_descend;
};

// Constant for the life of the thread.
const MessageForm& form_of(const google::protobuf::Descriptor* message);

}  // namespace rivera::models
