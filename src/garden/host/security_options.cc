#include "garden/host/security_options.h"

#include <fstream>
#include <stdexcept>

namespace rivera::garden {

void check_security_options(const Options& options) {
  if (options.apparmor.empty()) return;
  std::ifstream enabled("/sys/module/apparmor/parameters/enabled");
  char answer = 'N';
  enabled >> answer;
  // crun would start containers without the profile, and say nothing.
  if (answer != 'Y') throw std::runtime_error("--apparmor: this kernel has no AppArmor");
}

}  // namespace rivera::garden
