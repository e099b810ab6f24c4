// Maps failures of the store to the protocol's errors.
#pragma once

#include "models/errors.h"
#include "sql/error.h"

namespace rivera::bbs {

// The error that a client receives for a failed transaction (docs/spec/bbs.md §1.6).
inline models::ModelError as_model_error(const sql::Error& e) {
  switch (e.error_class()) {
    case sql::ErrorClass::kDuplicateKey:
      return models::resource_exists();
    case sql::ErrorClass::kNotFound:
      return models::resource_not_found();
    case sql::ErrorClass::kDeadlock:
      return models::deadlock_error();
    case sql::ErrorClass::kTooLong:
      return models::bad_request();
    case sql::ErrorClass::kMissingTable:
      return models::unrecoverable_error(e.what());
    case sql::ErrorClass::kConnection:
    case sql::ErrorClass::kDiskFull:
    case sql::ErrorClass::kTimeout:
    case sql::ErrorClass::kOther:
      return models::unknown_error(e.what());
  }
  return models::unknown_error(e.what());
}

}  // namespace rivera::bbs
