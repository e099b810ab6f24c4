#include <csignal>
#include <string>
#include <vector>

#include "cli/cfdot.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return rivera::cli::run_cfdot(std::vector<std::string>(argv + 1, argv + argc));
}
