// The command line of rivera-sim.
#pragma once

namespace rivera::simulation {

// Runs the chosen scenarios and prints the results. Returns the exit status: 0, 1 if a scenario's check failed, 2 for
// an invalid command line.
int run_command(int argc, char** argv);

}  // namespace rivera::simulation
