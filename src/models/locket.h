// Locket's messages. They live in upstream's proto package `models`, because it is part of the gRPC method paths; this
// gives them a name of ours: rivera::locket_api::Resource and so on.
#pragma once

#include "locket.pb.h"

namespace rivera {
namespace locket_api = ::models;
}
