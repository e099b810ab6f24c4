#include "base/untrusted/confinement.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::base {
namespace {

// Runs `attempt` in a confined child that has `directory` as its descriptor. Returns the child's exit status.
int confined(int directory, const std::function<int()>& attempt) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      confine_process({.directory = directory, .most_file_bytes = 1000});
      ::_exit(attempt());
    } catch (...) {
      ::_exit(99);
    }
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class ConfinementTest : public ::testing::Test {
 protected:
  ConfinementTest() {
    std::filesystem::create_directory(inside);
    write_file_atomically(outside, "secret");
    fd = UniqueFd(::open(inside.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    user = give_to_confined_user(fd.get());
  }
  // 0 if the call failed.
  int attempt(const std::function<bool()>& call) const {
    return confined(fd.get(), [&] { return call() ? 1 : 0; });
  }

  TemporaryDirectory directory;
  std::filesystem::path inside = directory.path() / "inside";
  std::filesystem::path outside = directory.path() / "outside";
  UniqueFd fd;
  uid_t user = 0;
};

TEST_F(ConfinementTest, LeavesOneDirectoryToUse) {
  const int status = confined(fd.get(), [] {
    const UniqueFd file(::open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!file || ::write(file.get(), "x", 1) != 1) return 1;
    if (::mkdir("/below", 0755) != 0 || ::symlink("/etc", "link") != 0) return 2;
    return ::link("file", "/below/other") == 0 ? 0 : 3;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(inside / "below/other"), "x");
  struct stat made {};
  ASSERT_EQ(::stat((inside / "file").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, user);
}

TEST_F(ConfinementTest, HidesEverythingElse) {
  const auto path = outside;
  EXPECT_EQ(attempt([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC) >= 0; }), 0);
  EXPECT_EQ(attempt([] { return ::open("../outside", O_RDONLY | O_CLOEXEC) >= 0; }), 0);
  EXPECT_EQ(attempt([] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0; }), 0);
  EXPECT_EQ(attempt([] { return ::open("/proc/self/status", O_RDONLY | O_CLOEXEC) >= 0; }), 0);
}

TEST_F(ConfinementTest, GivesNoWayBack) {
  if (::geteuid() != 0) GTEST_FAIL() << "run it as root: anyone else has no rights to lose";
  EXPECT_EQ(attempt([] { return ::setuid(0) == 0; }), 0);
  EXPECT_EQ(attempt([] { return ::chroot(".") == 0; }), 0);
  EXPECT_EQ(attempt([] { return ::mknod("device", S_IFBLK | 0600, makedev(8, 0)) == 0; }), 0);
  EXPECT_EQ(attempt([] { return ::mkfifo("pipe", 0600) == 0; }), 0);
  EXPECT_EQ(attempt([] { return ::mount("none", "/", "tmpfs", 0, nullptr) == 0; }), 0);
  EXPECT_EQ(attempt([] { return ::kill(::getppid(), 0) == 0; }), 0);
  EXPECT_EQ(attempt([] {
              const pid_t other = ::fork();
              if (other == 0) ::_exit(0);
              return other > 0;
            }),
            0);
}

TEST_F(ConfinementTest, HasNoNetwork) {
  const int status = confined(fd.get(), [] {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr address{};
    address.sa_family = AF_INET;
    return socket && ::connect(socket.get(), &address, sizeof address) == 0 ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(ConfinementTest, LimitsTheFilesItWrites) {
  const int status = confined(fd.get(), [] {
    const UniqueFd file(::open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    return ::ftruncate(file.get(), 2000) == 0 ? 1 : 0;
  });
  EXPECT_EQ(status, 128 + SIGXFSZ);
}

TEST_F(ConfinementTest, NeedsNoDirectory) {
  const UniqueFd file(::open((directory.path() / "result").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const int status = confined(-1, [&] {
    if (::open("new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) >= 0) return 1;
    return ::write(file.get(), "y", 1) == 1 ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(directory.path() / "result"), "y");
}

}  // namespace
}  // namespace rivera::base
