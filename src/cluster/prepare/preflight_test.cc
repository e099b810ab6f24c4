#include "cluster/prepare/preflight.h"

#include <gtest/gtest.h>

namespace rivera::cluster {
namespace {

TEST(Preflight, RefusesAnAddressThatNoInterfaceHas) {
  Settings settings;
  for (const char* own : {"127.0.0.1", "127.0.0.2"}) {
    settings.host_address = own;
    EXPECT_NO_THROW(require_own_address(settings)) << own;
  }
  for (const char* other : {"198.51.100.7", "255.255.255.255", "here", ""}) {
    settings.host_address = other;
    EXPECT_THROW(require_own_address(settings), Problem) << other;
  }
}

}  // namespace
}  // namespace rivera::cluster
