// What the tests of this folder share.
#pragma once

#include <gtest/gtest.h>

#include "sql/error.h"

namespace rivera::sql {

// The class of the error that `work` throws.
template <typename Work>
ErrorClass class_of_failure(Work work) {
  try {
    work();
  } catch (const Error& e) {
    return e.error_class();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorClass::kOther;
}

}  // namespace rivera::sql
