#include "base/log/log_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/log/log.h"
#include "base/process/child_process.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const LostLine> lost_line() {
  return std::make_shared<const LostLine>([](std::uint64_t lost) { return "lost " + std::to_string(lost) + "\n"; });
}

// Reads a pipe to its end on a thread of its own.
class Reader {
 public:
  explicit Reader(UniqueFd fd) : fd_(std::move(fd)), thread_([this] { read_all(); }) {}
  // After the writing end has been closed.
  std::string text() {
    thread_.join();
    return text_;
  }

 private:
  void read_all() {
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::read(fd_.get(), buffer, sizeof buffer)) > 0) text_.append(buffer, static_cast<std::size_t>(n));
  }

  UniqueFd fd_;
  std::string text_;
  std::thread thread_;
};

TEST(LogWriter, LosesNothingWhileAReaderKeepsUp) {
  Pipe pipe;
  Reader reader(std::move(pipe.read_end));
  std::string expected;
  {
    LogWriter writer(pipe.write_end.get());
    for (int i = 0; i < 20'000; ++i) {
      const std::string line = std::to_string(i) + std::string(static_cast<std::size_t>(i % 100), 'x') + "\n";
      expected += line;
      writer.push(line, lost_line());
    }
    EXPECT_TRUE(writer.flush(30s));
  }
  pipe.write_end.reset();
  EXPECT_EQ(reader.text(), expected);
}

TEST(LogWriter, NeverBlocksLoggersAndCountsWhatIsLost) {
  Pipe pipe;  // not read at first
  constexpr int kLines = 10'000;
  const std::string line = std::string(99, 'x') + "\n";
  std::string text;
  {
    LogWriter writer(pipe.write_end.get(), 100'000);
    for (int i = 0; i < kLines; ++i) writer.push(line, lost_line());  // a million bytes: more than pipe and buffer hold
    EXPECT_FALSE(writer.flush(1ms));
    Reader reader(std::move(pipe.read_end));
    EXPECT_TRUE(writer.flush(30s));
    writer.push("the next\n", lost_line());
    EXPECT_TRUE(writer.flush(30s));
    pipe.write_end.reset();
    text = reader.text();
  }
  int written = 0, lost = 0;
  std::string last;
  std::istringstream lines(text);
  for (std::string each; std::getline(lines, each); last = each) {
    if (each + "\n" == line) ++written;
    if (each.starts_with("lost ")) lost += std::stoi(each.substr(5));
  }
  EXPECT_GE(written, 1000) << "what the buffer holds";
  EXPECT_GT(lost, 1000);
  EXPECT_EQ(written + lost, kLines);
  EXPECT_EQ(last, "the next");
}

TEST(LogWriter, CompletesInterruptedAndShortWrites) {
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.write_end.get(), F_SETPIPE_SZ, 4096), 4096);
  ASSERT_EQ(::fcntl(pipe.write_end.get(), F_SETFL, O_NONBLOCK), 0);  // writes are cut where the pipe is full
  const std::string line = std::string(300'000, 'y') + "\n";
  LogWriter writer(pipe.write_end.get());
  writer.push(line, lost_line());
  Reader reader(std::move(pipe.read_end));
  EXPECT_TRUE(writer.flush(30s));
  pipe.write_end.reset();
  EXPECT_EQ(reader.text(), line);
}

TEST(LogWriter, CountsWhatCannotBeWritten) {
  TemporaryDirectory directory;
  const std::string path = directory.path() / "log";
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const UniqueFd full_disk(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const UniqueFd target(::dup(full_disk.get()));
  LogWriter writer(target.get());
  writer.push("one\n", lost_line());
  writer.push("two\n", lost_line());
  EXPECT_TRUE(writer.flush(30s));
  ASSERT_GE(::dup2(fd.get(), target.get()), 0);  // there is room again
  writer.push("three\n", lost_line());
  EXPECT_TRUE(writer.flush(30s));
  EXPECT_EQ(read_file(path), "lost 2\nthree\n");
}

TEST(LogWriter, WritesInAForkedChildToo) {
  TemporaryDirectory directory;
  const std::string path = directory.path() / "log";
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  LogWriter writer(fd.get());
  writer.push("parent\n", lost_line());
  ASSERT_TRUE(writer.flush(30s));
  const pid_t child = ::fork();
  if (child == 0) {
    writer.push("child\n", lost_line());
    ::_exit(writer.flush(30s) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(path), "parent\nchild\n");
}

TEST(Logger, SaysInItsOwnFormHowManyLinesWereLost) {
  Pipe pipe;
  Logger logger("bbs", LogLevel::kInfo, LogTimeFormat::kRfc3339, pipe.write_end.get());
  const std::string text(100'000, 'z');
  for (int i = 0; i < 100; ++i) logger.info("much", {{"text", text}});  // not read yet
  Reader reader(std::move(pipe.read_end));
  EXPECT_TRUE(logger.flush(30s));
  pipe.write_end.reset();
  const std::string written = reader.text();
  const auto at = written.find("\"message\":\"bbs.log.lines-lost\",\"data\":{\"lines\":");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(written.substr(written.rfind('\n', at) + 1).find("{\"timestamp\":"), 0u);
}

}  // namespace
}  // namespace rivera::base
