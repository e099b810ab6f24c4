// rivera-sim --real.
#pragma once

#include "simulation/real/real_run.h"

namespace CLI {
class App;
}

namespace rivera::simulation {

// Options that only --real has.
void add_real_options(CLI::App& app, RealOptions& options);

// Runs and prints. Returns the exit status: 0, or 1 if not every instance runs.
int run_real_command(const RealOptions& options);

}  // namespace rivera::simulation
