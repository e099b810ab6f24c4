// What a failed call to the container server means.
#pragma once

#include <exception>
#include <stdexcept>

namespace rivera::executor {

// No answer came: the server may be restarting. The call may or may not have been carried out.
bool is_no_answer(const std::exception& e);

// A container could not be made; nothing of its work was done. The message is its failure reason.
class CreationFailed : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rivera::executor
