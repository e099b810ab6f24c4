#include "garden/host/security_options.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

TEST(SecurityOptions, OfAKernelWithoutAppArmorRefuseAProfile) {
  Options options;
  check_security_options(options);
  options.apparmor = "garden-default";
  if (std::filesystem::exists("/sys/kernel/security/apparmor")) {
    check_security_options(options);
  } else {
    EXPECT_THROW(check_security_options(options), std::runtime_error);
  }
}

}  // namespace
}  // namespace rivera::garden
