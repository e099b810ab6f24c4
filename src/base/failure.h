// What an exception says.
#pragma once

#include <exception>
#include <string>

namespace rivera::base {

// The text of any exception, also of one that is no std::exception. `failure` must not be null.
inline std::string describe_failure(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception of an unknown type";
  }
}

}  // namespace rivera::base
