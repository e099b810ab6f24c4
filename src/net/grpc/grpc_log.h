// The log lines of gRPC's library.
#pragma once

#include "base/log/log.h"

namespace rivera::net {

// Writes them as lines of ours, "<component>.grpc.message", instead of in a form of their own to standard error; gRPC's
// errors as errors, all else as debug. For the whole process, once, before gRPC is used.
void log_grpc(const base::Logger& logger);

}  // namespace rivera::net
