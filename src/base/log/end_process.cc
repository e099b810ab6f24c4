#include "base/log/end_process.h"

#include <cstdlib>
#include <sys/uio.h>
#include <unistd.h>

namespace rivera::base {

void end_process(const Logger& logger, std::string_view message, std::string_view why) noexcept {
  // First without memory, of which there may be none.
  const iovec parts[] = {{const_cast<char*>(message.data()), message.size()},
                         {const_cast<char*>(": "), 2},
                         {const_cast<char*>(why.data()), why.size()},
                         {const_cast<char*>("\n"), 1}};
  [[maybe_unused]] const ssize_t written = ::writev(STDERR_FILENO, parts, 4);
  try {
    logger.fatal(message, {{"error", why}});
  } catch (...) {  // standard error has it
  }
  std::_Exit(kBrokenExitStatus);
}

}  // namespace rivera::base
