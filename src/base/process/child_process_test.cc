#include "base/process/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;  // else ECHILD
}

std::string output_of(const std::vector<std::string>& argv, ChildOptions options) {
  Pipe pipe;
  options.output = pipe.write_end.get();
  ChildProcess child(argv, options);
  pipe.write_end.reset();
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(pipe.read_end.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  EXPECT_EQ(child.wait_for(30s), 0);
  return text;
}

TEST(ChildProcess, GivesTheChildItsStreamsDirectoryAndEnvironment) {
  TemporaryDirectory directory;
  ChildOptions options;
  options.directory = directory.path();
  options.variables = {{"COLOUR", "green"}};
  EXPECT_EQ(output_of({"sh", "-c", "echo $COLOUR; pwd; wc -c"}, options),
            "green\n" + directory.path().string() + "\n0\n");
}

TEST(ChildProcess, GetsOfOurEnvironmentOnlyWhatEveryProgramNeeds) {
  ::setenv("RIVERA_TEST_SECRET", "hidden", 1);
  ::setenv("RIVERA_TEST_NAMED", "seen", 1);
  ::setenv("TZ", "Europe/Berlin", 1);
  ChildOptions options;
  options.inherited = {"RIVERA_TEST_NAMED", "RIVERA_TEST_UNSET"};
  options.variables = {{"LANG", "eo"}};
  const std::string words = "echo $RIVERA_TEST_SECRET+$RIVERA_TEST_NAMED+$TZ+$LANG; test -n \"$PATH\"";
  EXPECT_EQ(output_of({"sh", "-c", words}, options), "+seen+Europe/Berlin+eo\n");
  EXPECT_EQ(output_of({"sh", "-c", "echo $RIVERA_TEST_NAMED"}, {}), "\n");
  for (const char* name : {"RIVERA_TEST_SECRET", "RIVERA_TEST_NAMED", "TZ"}) ::unsetenv(name);
}

TEST(ChildProcess, PassesNoOtherDescriptor) {
  const UniqueFd inheritable(::open("/dev/null", O_RDONLY));  // not close-on-exec, as a library may leave it
  Pipe passed;
  EXPECT_EQ(output_of({"sh", "-c", "ls /proc/self/fd | wc -l"}, {}), "4\n");  // 0, 1, 2 and that of ls
  ChildOptions options;
  options.passed = passed.write_end.get();
  EXPECT_EQ(output_of({"sh", "-c", "ls /proc/self/fd | wc -l"}, options), "5\n");
}

TEST(ChildProcess, ResetsWhatSignalsDo) {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  ChildProcess child({"sh", "-c", "kill -PIPE $$; exit 5"});
  ::signal(SIGPIPE, before);
  const auto status = child.wait_for(30s);
  ASSERT_TRUE(status);
  EXPECT_EQ(exit_status_of(*status), 128 + SIGPIPE);
}

TEST(ChildProcess, ReportsHowItEnded) {
  ChildProcess failed({"sh", "-c", "exit 7"});
  const auto status = failed.wait_for(30s);
  ASSERT_TRUE(status);
  EXPECT_EQ(exit_status_of(*status), 7);
  EXPECT_EQ(describe_end(*status), "exit status 7");
  EXPECT_EQ(failed.try_wait(), status) << "asked again";

  ChildProcess killed({"sleep", "1000"});
  EXPECT_EQ(killed.try_wait(), std::nullopt);
  EXPECT_EQ(killed.wait_for(1ms), std::nullopt);
  killed.signal(SIGKILL);
  const auto end = killed.wait_for(30s);
  ASSERT_TRUE(end);
  EXPECT_EQ(exit_status_of(*end), 128 + SIGKILL);
  EXPECT_EQ(describe_end(*end), "killed by signal 9 (Killed)");
}

TEST(ChildProcess, IsAwaitedByACoroutineThatMayBeCancelled) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ChildProcess child({"cat"});  // ends at once: its input is empty
    const int status = co_await child.ended();
    EXPECT_EQ(status, 0);

    ChildProcess sleeper({"sleep", "1000"});
    TaskGroup group(executor, Logger::discard());
    auto wait = [&sleeper]() -> asio::awaitable<void> { co_await sleeper.ended(); };
    group.spawn("wait", wait());
    co_await group.stop();
    EXPECT_EQ(sleeper.try_wait(), std::nullopt) << "the wait was cancelled, the child was not";
  });
}

TEST(ChildProcess, EndsWithItsOwnerAndIsReaped) {
  pid_t pid = -1;
  {
    ChildOptions options;
    options.group = ProcessGroup::kOwn;
    const ChildProcess child({"sh", "-c", "sleep 1000 & wait"}, options);
    pid = child.pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_FALSE(has_children());
}

TEST(ChildProcess, IsLeftAloneIfReleasedAndReapedLater) {
  pid_t pid = -1;
  {
    ChildProcess child({"sleep", "1000"});
    pid = child.pid();
    child.release();
  }
  EXPECT_EQ(::kill(pid, 0), 0);
  ::kill(pid, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  ChildProcess another({"true"});
  EXPECT_EQ(::kill(pid, 0), -1) << "a zombie still";
  EXPECT_EQ(another.wait_for(30s), 0);
}

TEST(ChildProcess, LosesNoChildForWantOfADescriptor) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  int refused = 0;
  const auto descriptors = static_cast<rlim_t>(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get());
  for (rlim_t more = 0; more < 16; ++more) {
    const rlimit narrow{descriptors + more, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &narrow), 0);
    try {
      ChildOptions options;
      options.output = STDOUT_FILENO;
      ChildProcess child({"true"}, options);
      child.wait_for(30s);
    } catch (const std::system_error&) {
      ++refused;
    }
    EXPECT_FALSE(has_children()) << more;
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(refused, 0);
}

TEST(ChildProcess, SaysWhatCannotBeStarted) {
  try {
    ChildProcess child({"/no/such/program"});
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), ENOENT);
    EXPECT_NE(std::string(e.what()).find("cannot start /no/such/program"), std::string::npos);
  }
  EXPECT_THROW(ChildProcess({}), std::invalid_argument);
  EXPECT_FALSE(has_children());
}

}  // namespace
}  // namespace rivera::base
