// A process of the cluster: how to start it and how to check that it serves.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Where a component answers when it works: "https://127.0.0.1:28089/v1/ping" (any answer below 500 is a good one),
// "unix:/run/garden.sock" with a target, or "tcp://127.0.0.1:28091" (taking a connection is enough).
struct Probe {
  std::string url;
  std::string method = "GET";
  std::string target = "/";  // for "unix:" only
};

struct Component {
  std::string name;
  std::vector<std::string> argv;  // the first is a full path or a program in PATH
  std::string address;            // where it listens, for people
  Probe probe;
  std::chrono::seconds stop_grace{10};  // from SIGTERM to SIGKILL
};

// Every component in the order of starting; each needs some of those before it.
std::vector<Component> components(const Settings& settings);

// The command that removes every container, and all that belonged to one, of a Garden that does not run.
std::vector<std::string> garden_cleanup_command(const Settings& settings);

}  // namespace rivera::cluster
