// A program that runs from memory.
#include "garden/shim/sealed_program.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/shim/protocol.h"

namespace rivera::garden::shim {
namespace {

TEST(SealedProgram, IsACopyThatCanNeverBeWritten) {
  const std::string program = find_program("true");
  ASSERT_NE(program, "");
  const Fd copy = sealed_copy(program);
  ASSERT_TRUE(copy);
  const std::string path = "/proc/self/fd/" + std::to_string(copy.get());
  EXPECT_EQ(base::read_file(path), base::read_file(program));
  EXPECT_EQ(::pwrite(copy.get(), "x", 1, 0), -1);
  EXPECT_EQ(::ftruncate(copy.get(), 0), -1);
  const Fd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(!again || ::pwrite(again.get(), "x", 1, 0) == -1);
  EXPECT_EQ(::fcntl(copy.get(), F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

TEST(SealedProgram, IsFoundAsTheShellFindsIt) {
  EXPECT_EQ(find_program("/usr/bin/some program"), "/usr/bin/some program");
  EXPECT_EQ(std::filesystem::path(find_program("sh")).filename(), "sh");
  EXPECT_EQ(find_program("no-such-program"), "");
  EXPECT_FALSE(sealed_copy(""));
  EXPECT_FALSE(sealed_copy("/"));
}

TEST(SealedProgram, IsAskedForInAFieldThatEarlierReleasesDoNotKnow) {
  LaunchRequest request;
  request.command = {"a", "b"};
  request.is_sealed = true;
  const std::string bytes = request.encode();
  EXPECT_TRUE(LaunchRequest::decode(bytes).is_sealed);
  const auto earlier = LaunchRequest::decode(std::string_view(bytes).substr(0, bytes.size() - sizeof(std::uint32_t)));
  EXPECT_FALSE(earlier.is_sealed);
  EXPECT_EQ(earlier.command, request.command);
}

}  // namespace
}  // namespace rivera::garden::shim
