// One garden for each tag of a machine.
#pragma once

#include <string>

#include "base/files.h"
#include "garden/host/options.h"

namespace rivera::garden {

// Holds a tag for this process: the nftables table, interfaces and control groups of another garden have other names
// then. The file "<directory>/garden-<tag>.lock" is locked as long as the object lives, and names its last holder,
// whose containers may outlive it.
class TagLock {
 public:
  // Throws std::runtime_error, naming the holder, if a garden with another state directory runs with this tag or has
  // left containers. Waits at most 10 s for one with the same state directory to end.
  explicit TagLock(const Options& options, const std::string& directory = "/run");

  // Nothing on this machine carries the tag any more.
  void remove();

 private:
  std::string path_;
  base::UniqueFd file_;
};

}  // namespace rivera::garden
