#include "base/bytes.h"

#include <stdexcept>
#include <utility>

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
}

// RFC 4648 §10.
TEST(Base64, HasTheFormOfTheStandard) {
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"},
                                                       {"\xfb\xff\xbf", "+/+/"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, IsAppendedToWhatIsThere) {
  std::string out = "text: ";
  append_base64(out, "fooba");
  EXPECT_EQ(out, "text: Zm9vYmE=");
}

TEST(Base64, RefusesWhatIsNotBase64) {
  for (const char* text : {"Zg", "Zg=", "Z===", "====", "Z=g=", "=Zm9", "Zm9v====", " Zm8", "Zm8\n", "Zm9v\n\n\n\n",
                           "Zm_v", "Zm-v", "Z\xc3\xa9v"}) {
    EXPECT_THROW(from_base64(text), std::invalid_argument) << text;
  }
  EXPECT_THROW(from_base64(std::string("Zm9\0", 4)), std::invalid_argument);
}

}  // namespace
}  // namespace rivera::base
