#include "base/bytes.h"

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

TEST(Bytes, RoundTripThroughHexAndBase64) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    bytes += static_cast<char>(i);
  }
  EXPECT_THROW(from_hex("abc"), std::invalid_argument);
  EXPECT_THROW(from_base64("abc"), std::invalid_argument);
  EXPECT_THROW(from_base64("a-b="), std::invalid_argument);
}

}  // namespace
}  // namespace rivera::base
