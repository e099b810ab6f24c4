// The BBS's errors as C++ exceptions (docs/spec/bbs.md §1.6).
//
// models::Error is the message on the wire; ModelError is the same thing thrown. Clients compare type and text, so
// the fixed texts are made here and nowhere else.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "error.pb.h"

namespace rivera::models {

class ModelError : public std::runtime_error {
 public:
  ModelError(Error::Type type, const std::string& message) : std::runtime_error(message), type_(type) {}
  explicit ModelError(const Error& error) : ModelError(error.type(), error.message()) {}

  Error::Type type() const { return type_; }
  std::string message() const { return what(); }
  // The same as a message, for the field `error` of a response.
  Error to_proto() const;

 private:
  Error::Type type_;
};

// Errors with a fixed text.
ModelError unknown_error();                     // "the request failed for an unknown reason"
ModelError unknown_error(std::string message);  // any unclassified failure
ModelError bad_request();                       // InvalidRequest, "the request received is invalid"
ModelError resource_conflict();
ModelError resource_exists();
ModelError resource_not_found();
ModelError actual_lrp_cannot_be_claimed();
ModelError actual_lrp_cannot_be_started();
ModelError actual_lrp_cannot_be_crashed();
ModelError actual_lrp_cannot_be_failed();
ModelError actual_lrp_cannot_be_removed();
ModelError actual_lrp_cannot_be_unclaimed();
ModelError deserialize_error();
ModelError deadlock_error();
ModelError guid_generation_error();
ModelError failed_to_open_envelope();

// Errors with a variable text.
ModelError invalid_request(std::string findings);  // the joined findings of a validation
ModelError invalid_state_transition(std::string_view from, std::string_view to);
// `expected` is the caller's cell.
ModelError running_on_different_cell(std::string_view expected, std::string_view actual);
ModelError unrecoverable_error(std::string_view database_error);

}  // namespace rivera::models
