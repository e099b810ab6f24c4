#include "base/work/cancellation.h"

#include "base/asio.h"

namespace rivera::base {

bool is_cancellation(const std::exception& e) {
  const auto* error = dynamic_cast<const boost::system::system_error*>(&e);
  return error != nullptr && error->code() == asio::error::operation_aborted;
}

}  // namespace rivera::base
