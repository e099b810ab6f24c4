#include "executor/container/append_file.h"

#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <system_error>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

// The largest size of a file that this process may write, as if the disk were full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(AppendToFile, CreatesAFileForItsOwnerOnlyAndAppends) {
  base::TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  EXPECT_EQ(append_to_file(path, "one\n"), 4u);
  EXPECT_EQ(append_to_file(path, "two\n"), 8u);
  EXPECT_EQ(base::read_file(path), "one\ntwo\n");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0600));
}

TEST(AppendToFile, LeavesNoPartOfALineThatDoesNotFit) {
  base::TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  append_to_file(path, "first line\n");
  {
    const FileSizeLimit limit(15);
    EXPECT_THROW(append_to_file(path, "second line\n"), std::system_error);
  }
  append_to_file(path, "third line\n");
  EXPECT_EQ(base::read_file(path), "first line\nthird line\n");
}

TEST(AppendToFile, FollowsNoLink) {
  base::TemporaryDirectory directory;
  base::write_file_atomically(directory.path() / "target", "untouched");
  fs::create_symlink("target", directory.path() / "link");
  EXPECT_THROW(append_to_file(directory.path() / "link", "x"), std::system_error);
  EXPECT_EQ(base::read_file(directory.path() / "target"), "untouched");
}

}  // namespace
}  // namespace rivera::executor
