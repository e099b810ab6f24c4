#include "cluster/settings/log_files.h"

#include <fstream>

#include <gtest/gtest.h>

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

class LogFile : public ::testing::Test {
 protected:
  void append(const std::string& text) const { std::ofstream(file_, std::ios::app) << text; }
  void set_aside_by_name() const { fs::rename(file_, file_.string() + ".1"); }
  void set_aside_by_copy() const {
    fs::copy_file(file_, file_.string() + ".1", fs::copy_options::overwrite_existing);
    fs::resize_file(file_, 0);
  }
  std::string last(std::size_t lines) {
    std::string out;
    reader_.read_last(lines, [&out](std::string_view text) { out += text; });
    return out;
  }
  std::string rest() {
    std::string out;
    reader_.read_new([&out](std::string_view text) { out += text; });
    return out;
  }

  base::TemporaryDirectory directory_;
  fs::path file_ = directory_.path() / "app.log";
  LogReader reader_{file_};
};

TEST_F(LogFile, GivesTheLastLines) {
  append("a\nb\nc\n");
  EXPECT_EQ(last(2), "b\nc\n");
}

TEST_F(LogFile, GivesNothingWhereNoLineIsWanted) {
  append("a\nb\n");
  EXPECT_EQ(last(0), "");
  append("c\n");
  EXPECT_EQ(rest(), "c\n");
}

TEST_F(LogFile, GivesLinesThatWereSetAsideWhereTheFileHasTooFew) {
  append("a\nb\nc\n");
  set_aside_by_name();
  append("d\ne\n");
  EXPECT_EQ(last(4), "b\nc\nd\ne\n");
  EXPECT_EQ(last(2), "d\ne\n");
  EXPECT_EQ(last(100), "a\nb\nc\nd\ne\n");
}

TEST_F(LogFile, GivesLinesThatWereSetAsideWhileThereIsNoOtherFile) {
  append("a\nb\n");
  set_aside_by_name();
  EXPECT_EQ(last(1), "b\n");
  append("c\n");
  EXPECT_EQ(rest(), "c\n");
}

TEST_F(LogFile, IsFollowedWhenItGetsAnotherName) {
  append("a\n");
  EXPECT_EQ(last(1), "a\n");
  append("b\n");
  set_aside_by_name();
  EXPECT_EQ(rest(), "b\n");
  append("c\n");
  EXPECT_EQ(rest(), "c\n");
  append("d\n");
  set_aside_by_name();
  append("e\n");
  EXPECT_EQ(rest(), "d\ne\n");
}

TEST_F(LogFile, IsFollowedWhenItIsCopiedAndEmptied) {
  append("a\nb\n");
  EXPECT_EQ(last(1), "b\n");
  append("c\n");
  set_aside_by_copy();
  append("d\n");
  EXPECT_EQ(rest(), "c\nd\n");
}

}  // namespace
}  // namespace rivera::cluster
