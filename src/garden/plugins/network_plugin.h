// Calls the program of `--network-plugin`.
#pragma once

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/log/log.h"

namespace rivera::garden {

class NetworkPlugin {
 public:
  NetworkPlugin(std::string program, std::vector<std::string> extra_arguments, base::Logger logger);

  // Runs one action to its end, at most two minutes. What it answers; null if that is nothing. Its error output is
  // logged. Throws GardenError with the texts of docs/spec/garden.md §1.7. Blocks; may be called from any thread.
  boost::json::value run(const std::string& action, const std::string& handle, const boost::json::value& input) const;

 private:
  std::string program_;
  std::vector<std::string> extra_arguments_;
  base::Logger logger_;
};

}  // namespace rivera::garden
