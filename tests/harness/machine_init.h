// The first process of a test machine: sets the machine up, starts its programs, and starts them again when they end.
#pragma once

#include <filesystem>
#include <string>

namespace rivera::harness {

// A test program that is run as "<program> --machine <name> <directory>" is the first process of a machine.
inline constexpr char kMachineFlag[] = "--machine";
// Where it finds its end of the socket to the test.
inline constexpr int kMachineControlFd = 3;

// Runs in namespaces of its own (process ids, mounts, network, host name), which Machine has made. Gives the machine
// /proc, /sys and /run of its own, the host name `name`, and the files hosts, host.conf and resolv.conf of `directory`.
// Then answers the test's requests, one JSON object each:
//
//   {"do": "start", "name": N, "argv": [...], "log": FILE, "restarts": B}    starts a program
//   {"do": "signal", "name": N, "number": S, "restarts": B}                  sends it a signal
//   {"do": "signal-all", "number": S}                                        to every process of the machine but itself
//   {"do": "status", "name": N}                                              {"pid", "starts", "end"}
//
// Returns when the test has closed the socket; with this process the kernel ends every other of the machine.
int run_machine(const std::string& name, const std::filesystem::path& directory);

}  // namespace rivera::harness
