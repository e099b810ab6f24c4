// The command line of rivera-sim.
#pragma once

namespace rivera::simulation {

// Runs what is asked for and prints it. The exit status: 0, or 1 if a scenario did not end as it should, 2 for a
// command line that makes no sense.
int run_command(int argc, char** argv);

}  // namespace rivera::simulation
