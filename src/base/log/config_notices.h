// What a program logs at its start about the keys of its configuration that have no effect.
#pragma once

#include "base/config/config.h"
#include "base/log/log.h"

namespace rivera::base {

// Logs one line for each key that upstream acts on and this program does not ("configuration.key-not-built", at level
// error, so that it is seen), one for each unknown key ("configuration.key-unknown"), and one that names all keys that
// have no use ("configuration.keys-unused"). Values are never logged.
void log_notices(const Logger& logger, const ConfigNotices& notices);

}  // namespace rivera::base
