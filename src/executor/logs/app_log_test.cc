#include "executor/logs/app_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "executor/logs/file_log_sink.h"
#include "executor/testing/testing_backend.h"
#include "executor/testing/testing_loop.h"

namespace rivera::executor::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LogConfig a_config() { return {.owner = "process", .guid = "g", .index = 1, .source_name = "APP", .tags = {}}; }

class AppLogTest : public ::testing::Test {
 protected:
  RecordedLog sink;
  base::ManualClock clock;
};

TEST_F(AppLogTest, SplitsEachStreamIntoLines) {
  AppLog log(a_config(), {}, sink, clock);
  const auto output = log.output("WEB");
  output->out("one\ntw");
  output->err("oops\r\n");
  output->out("o\n\nrest");
  EXPECT_THAT(sink.lines, ElementsAre("WEB OUT one", "WEB ERR oops", "WEB OUT two"));
  output->flush();
  EXPECT_EQ(sink.lines.back(), "WEB OUT rest");
}

TEST_F(AppLogTest, CutsLongLinesAtACharacterBoundary) {
  AppLog log(a_config(), {}, sink, clock);
  const auto output = log.output("");
  output->out(std::string(kLongestLogLine - 1, 'x') + "\xC3\xA4tail\n");
  ASSERT_EQ(sink.lines.size(), 2u);
  EXPECT_EQ(sink.lines[0].size(), std::string("APP OUT ").size() + kLongestLogLine - 1);
  EXPECT_EQ(sink.lines[1], "APP OUT \xC3\xA4tail");
}

TEST_F(AppLogTest, PausesForASecondAboveTheByteLimit) {
  int overages = 0;
  AppLog log(a_config(), {.bytes_per_second = 10}, sink, clock, [&overages] { ++overages; });
  const auto output = log.output("WEB");
  output->out("12345\n123456\nx\n");
  EXPECT_THAT(sink.lines, ElementsAre("WEB OUT 12345", "WEB OUT app instance exceeded log rate limit (10 bytes/sec)"));
  EXPECT_EQ(overages, 1);
  clock.advance(std::chrono::milliseconds(1001));
  output->out("again\n");
  EXPECT_EQ(sink.lines.back(), "WEB OUT again");
}

TEST_F(AppLogTest, LimitsLinesToo) {
  AppLog log(a_config(), {.lines_per_second = 2}, sink, clock);
  log.output("WEB")->out("1\n2\n3\n4\n");
  EXPECT_THAT(sink.lines,
              ElementsAre("WEB OUT 1", "WEB OUT 2",
                          "WEB OUT app instance exceeded log rate limit (2 log-lines/sec) set by platform operator"));
}

TEST_F(AppLogTest, DropsOutputButNotLinesOfTheCellAtALimitOfZero) {
  AppLog log(a_config(), {.bytes_per_second = 0}, sink, clock);
  log.output("WEB")->out("x\n");
  EXPECT_THAT(sink.lines, IsEmpty());
  log.write_line("Cell says");
  EXPECT_THAT(sink.lines, ElementsAre("APP OUT Cell says"));
}

TEST(FileLogSink, WritesAFileForEachOwnerAndBoundsIt) {
  Loop loop;
  base::TemporaryDirectory directory;
  base::ManualClock clock;
  FileLogSink sink(loop.executor(), loop.workers(),
                   {.directory = directory.path() / "logs", .max_file_bytes = 500, .max_pending_bytes = 1 << 20},
                   base::Logger::discard());
  const auto first = a_config();
  auto second = a_config();
  second.owner = "../evil";
  sink.write({.config = first, .source = "WEB", .is_error = false, .text = "hello", .at = clock.now()});
  sink.write({.config = second, .source = "WEB", .is_error = true, .text = "there", .at = clock.now()});
  loop.run(sink.flush());
  EXPECT_EQ(base::read_file(directory.path() / "logs/process.log"),
            "2023-11-14T22:13:20.000000000Z [WEB/1] OUT hello\n");
  EXPECT_EQ(std::filesystem::status(directory.path() / "logs/process.log").permissions(), std::filesystem::perms(0600));
  EXPECT_TRUE(std::filesystem::exists(directory.path() / "logs/_.._evil.log"));

  for (int i = 0; i < 50; ++i) {
    sink.write({.config = first, .source = "WEB", .is_error = false, .text = "0123456789", .at = clock.now()});
    loop.run(sink.flush());
  }
  EXPECT_LE(std::filesystem::file_size(directory.path() / "logs/process.log"), 600u);
  EXPECT_LE(std::filesystem::file_size(directory.path() / "logs/process.log.1"), 600u);
}

TEST(FileLogSink, RemovesTheOldestFilesAboveTheLimit) {
  Loop loop;
  base::TemporaryDirectory directory;
  for (int i = 0; i < 20; ++i) {
    const auto path = directory.path() / (std::to_string(i) + ".log");
    base::write_file_atomically(path, "x");
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(20 - i));
  }
  FileLogSink sink(loop.executor(), loop.workers(), {.directory = directory.path(), .max_files = 10},
                   base::Logger::discard());
  const auto config = a_config();
  sink.write({.config = config, .source = "WEB", .is_error = false, .text = "x", .at = {}});
  loop.run(sink.flush());
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "10.log"));
  EXPECT_TRUE(std::filesystem::exists(directory.path() / "11.log"));
  EXPECT_TRUE(std::filesystem::exists(directory.path() / "process.log"));
}

TEST(FileLogSink, CountsDroppedLines) {
  Loop loop;
  base::TemporaryDirectory directory;
  FileLogSink sink(loop.executor(), loop.workers(), {.directory = directory.path(), .max_pending_bytes = 10},
                   base::Logger::discard());
  const auto config = a_config();
  const auto write = [&](const char* text) {
    sink.write({.config = config, .source = "WEB", .is_error = false, .text = text, .at = {}});
  };
  write("kept");
  write("too much");
  loop.run(sink.flush());
  const auto content = base::read_file(directory.path() / "process.log");
  EXPECT_THAT(content, HasSubstr("OUT kept\n1 lines were dropped\n"));
}

}  // namespace
}  // namespace rivera::executor::testing
