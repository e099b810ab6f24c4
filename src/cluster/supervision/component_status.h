// What the supervisor says about a component.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace rivera::cluster {

struct ComponentStatus {
  std::string name;
  std::string address;
  pid_t pid = 0;  // 0: does not run at the moment
  bool healthy = false;
  int restarts = 0;
  std::string last_end;  // "exit status 1"; "" if it has not ended yet
};

std::string to_json(const std::vector<ComponentStatus>& components);
// Throws std::runtime_error if it is not what to_json() gives.
std::vector<ComponentStatus> parse_component_statuses(const std::string& json);

}  // namespace rivera::cluster
