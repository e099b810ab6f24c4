// The main program of tests on clusters of several machines. Each test makes its own cluster.
//
//   <test> --machine NAME DIRECTORY   the first process of a machine; the tests start it
//   <test> [gtest flags]              runs the tests
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/machine_init.h"

int main(int argc, char** argv) try {
  if (argc == 4 && std::string(argv[1]) == rivera::harness::kMachineFlag) {
    return rivera::harness::run_machine(argv[2], argv[3]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
} catch (const std::exception& e) {
  fmt::print(stderr, "{}\n", e.what());
  return 1;
}
