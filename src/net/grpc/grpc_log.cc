#include "net/grpc/grpc_log.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <string>

#include <grpc/support/log.h>

namespace rivera::net {
namespace {

std::atomic<const base::Logger*> grpc_logger = nullptr;  // never deleted: gRPC's threads outlive main()

void write_line(gpr_log_func_args* line) {
  const base::Logger* logger = grpc_logger.load();
  if (logger == nullptr) return;
  const base::LogFields fields = {{"text", std::string(line->message)}};
  if (line->severity == GPR_LOG_SEVERITY_ERROR) {
    logger->error("message", fields);
  } else {
    logger->debug("message", fields);
  }
}

}  // namespace

void log_grpc(const base::Logger& logger) {
  static std::mutex mutex;
  static auto* const kept = new std::deque<base::Logger>;  // a line of an earlier one may be in the making
  const std::lock_guard lock(mutex);
  grpc_logger = &kept->emplace_back(logger.session("grpc"));
  gpr_set_log_verbosity(logger.enabled(base::LogLevel::kDebug) ? GPR_LOG_SEVERITY_DEBUG : GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function(write_line);
}

}  // namespace rivera::net
