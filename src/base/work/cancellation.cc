#include "base/work/cancellation.h"

namespace rivera::base {

bool is_cancellation(const error_code& code) { return code == asio::error::operation_aborted; }

bool is_cancellation(const std::exception& e) {
  const auto* error = dynamic_cast<const boost::system::system_error*>(&e);
  return error != nullptr && is_cancellation(error->code());
}

bool is_cancellation(const std::exception_ptr& failure) {
  if (!failure) return false;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return is_cancellation(e);
  } catch (...) {
    return false;
  }
}

bool is_cancelled(const asio::cancellation_state& state) { return state.cancelled() != asio::cancellation_type::none; }

void throw_cancellation() { throw boost::system::system_error(asio::error::operation_aborted); }

}  // namespace rivera::base
