// crun's translation of the seccomp profile.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include <boost/json/object.hpp>

namespace rivera::garden {

// crun translates a container's seccomp profile into a program for the kernel, which takes as long as all else that it
// does, and keeps it with the container's state. All containers of a garden have the same profile: what the first one
// got is given to crun with the others. The profile itself stays in the configuration, for a crun that does not know
// the annotation. For any thread.
class SeccompFilter {
 public:
  // Adds the program to a config.json with the profile that it was made from. Without effect as long as there is none.
  void add_to(boost::json::object& config);
  // Takes the program from the directory where crun keeps the state of a container that has started, unless there is
  // one. A container without a profile has none.
  void learn(const std::string& state_directory);

 private:
  struct Known {
    boost::json::value profile;
    std::string program;  // base64
  };
  std::mutex mutex_;
  std::optional<Known> known_;
};

}  // namespace rivera::garden
