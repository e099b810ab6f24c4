// rivera-sim: simulates placement (docs/placement.md).
#include <cstdio>
#include <exception>

#include "simulation/command.h"

int main(int argc, char** argv) try {
  return rivera::simulation::run_command(argc, argv);
} catch (const std::exception& e) {
  std::fprintf(stderr, "rivera-sim: %s\n", e.what());
  return 1;
}
