// Real database servers for tests.
#pragma once

#include <ostream>

#include "sql/servers/local_server.h"

namespace rivera::sql {

// Making one takes some seconds: make one per test program.
using TestServer = LocalServer;

// How an engine is shown as a test's parameter.
inline void PrintTo(Engine engine, std::ostream* out) { *out << to_string(engine); }

}  // namespace rivera::sql
