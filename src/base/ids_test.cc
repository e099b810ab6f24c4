#include "base/ids.h"

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

TEST(Ids, AreVersionFourAndDiffer) {
  const std::string a = new_guid();
  EXPECT_EQ(a.size(), 36u);
  EXPECT_EQ(a[14], '4');
  EXPECT_NE(a, new_guid());
}

}  // namespace
}  // namespace rivera::base
