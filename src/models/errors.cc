#include "models/errors.h"

namespace rivera::models {

Error ModelError::to_proto() const {
  Error error;
  error.set_type(type_);
  error.set_message(what());
  return error;
}

ModelError unknown_error() { return {Error::UnknownError, "the request failed for an unknown reason"}; }
ModelError unknown_error(std::string message) { return {Error::UnknownError, message}; }
ModelError bad_request() { return {Error::InvalidRequest, "the request received is invalid"}; }
ModelError resource_conflict() { return {Error::ResourceConflict, "the requested resource is in a conflicting state"}; }
ModelError resource_exists() { return {Error::ResourceExists, "the requested resource already exists"}; }
ModelError resource_not_found() { return {Error::ResourceNotFound, "the requested resource could not be found"}; }
ModelError actual_lrp_cannot_be_claimed() { return {Error::ActualLRPCannotBeClaimed, "cannot claim actual LRP"}; }
ModelError actual_lrp_cannot_be_started() { return {Error::ActualLRPCannotBeStarted, "cannot start actual LRP"}; }
ModelError actual_lrp_cannot_be_crashed() { return {Error::ActualLRPCannotBeCrashed, "cannot crash actual LRP"}; }
ModelError actual_lrp_cannot_be_failed() { return {Error::ActualLRPCannotBeFailed, "cannot fail actual LRP"}; }
ModelError actual_lrp_cannot_be_removed() { return {Error::ActualLRPCannotBeRemoved, "cannot remove actual LRP"}; }
ModelError actual_lrp_cannot_be_unclaimed() { return {Error::ActualLRPCannotBeUnclaimed, "cannot unclaim actual LRP"}; }
ModelError deserialize_error() { return {Error::Deserialize, "could not deserialize record"}; }
ModelError deadlock_error() { return {Error::Deadlock, "the request failed due to deadlock"}; }
ModelError guid_generation_error() { return {Error::GUIDGeneration, "cannot generate random guid"}; }
ModelError failed_to_open_envelope() { return {Error::FailedToOpenEnvelope, "could not open envelope"}; }

ModelError invalid_request(std::string findings) { return {Error::InvalidRequest, findings}; }

ModelError invalid_state_transition(std::string_view from, std::string_view to) {
  return {Error::InvalidStateTransition, "Cannot transition from " + std::string(from) + " to " + std::string(to)};
}

ModelError running_on_different_cell(std::string_view expected, std::string_view actual) {
  return {Error::RunningOnDifferentCell, "Running on cell " + std::string(actual) + " not " + std::string(expected)};
}

ModelError unrecoverable_error(std::string_view database_error) {
  return {Error::Unrecoverable, "Unrecoverable Error: " + std::string(database_error)};
}

}  // namespace rivera::models
