#include "base/log/log_unexpected.h"

#include <boost/system/system_error.hpp>

#include "base/failure.h"

namespace rivera::base {

void log_unexpected(const Logger& logger, std::string_view message, const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error&) {
  } catch (...) {
    logger.error(message, {{"error", describe_failure(failure)}});
  }
}

}  // namespace rivera::base
