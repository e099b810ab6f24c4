#include "net/grpc/grpc_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include "base/process/child_process.h"

namespace rivera::net {
namespace {

class GrpcLog : public ::testing::Test {
 protected:
  ~GrpcLog() override { log_grpc(base::Logger::discard()); }

  // The first line that was written, once it is.
  boost::json::object line(const base::Logger& logger) const {
    EXPECT_TRUE(logger.flush());
    char text[4096];
    const ssize_t size = ::read(pipe_.read_end.get(), text, sizeof text);
    const std::string_view all(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    return boost::json::parse(all.substr(0, all.find('\n'))).as_object();
  }

  base::Pipe pipe_;
};

TEST_F(GrpcLog, ErrorsAreLinesOfOurs) {
  const base::Logger logger("rep", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, pipe_.write_end.get());
  log_grpc(logger);
  gpr_log(GPR_INFO, "%s", "of no interest");
  gpr_log(GPR_ERROR, "%s", "no \"address\" added");
  const auto written = line(logger);
  EXPECT_EQ(written.at("message").as_string(), "rep.grpc.message");
  EXPECT_EQ(written.at("level").as_string(), "error");
  EXPECT_EQ(written.at("source").as_string(), "rep");
  EXPECT_EQ(written.at("data").at("text").as_string(), "no \"address\" added");
}

TEST_F(GrpcLog, OtherLinesAreForWhoWantsThemAll) {
  const base::Logger logger("rep", base::LogLevel::kDebug, base::LogTimeFormat::kRfc3339, pipe_.write_end.get());
  log_grpc(logger);
  gpr_log(GPR_INFO, "%s", "of interest");
  const auto written = line(logger);
  EXPECT_EQ(written.at("level").as_string(), "debug");
  EXPECT_EQ(written.at("data").at("text").as_string(), "of interest");
}

}  // namespace
}  // namespace rivera::net
