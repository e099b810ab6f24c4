// The meaning of failed calls to the container server.
#pragma once

#include <exception>
#include <stdexcept>

namespace rivera::executor {

// Whether the server did not answer, because it restarts for example. The call may have been carried out or not.
bool is_no_answer(const std::exception& e);

// A container could not be created; none of its work was started. The message is its failure reason.
class CreationFailed : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rivera::executor
