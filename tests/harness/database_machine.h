// PostgreSQL on a machine of its own.
#pragma once

#include <string>
#include <vector>

#include "harness/machine.h"

namespace rivera::harness {

// Makes a server's data in the machine's directory, starts it at port 5432 of every address, trusting every client, and
// makes empty databases. The machine is attached to the network. Throws std::runtime_error.
void make_database_server(Machine& machine, const std::vector<std::string>& databases);

}  // namespace rivera::harness
