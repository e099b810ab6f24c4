#include "base/log/log_unexpected.h"

#include <stdexcept>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include "base/testing/written_log.h"

namespace rivera::base {
namespace {

TEST(LogUnexpected, IsSilentAboutTheOrdinaryEndsOfAConnection) {
  const WrittenLog log;
  log_unexpected(log.logger(), "connection.failed", nullptr);
  for (const auto code : {boost::asio::error::operation_aborted, boost::asio::error::connection_reset}) {
    log_unexpected(log.logger(), "connection.failed", std::make_exception_ptr(boost::system::system_error(code)));
  }
  EXPECT_EQ(log.text(), "");
}

TEST(LogUnexpected, NamesEveryOtherFailure) {
  const WrittenLog log;
  log_unexpected(log.logger(), "connection.failed", std::make_exception_ptr(std::logic_error("no such state")));
  log_unexpected(log.logger(), "connection.failed", std::make_exception_ptr(7));
  const std::string text = log.text();
  EXPECT_NE(text.find("no such state"), std::string::npos) << text;
  EXPECT_NE(text.find("of an unknown type"), std::string::npos) << text;
}

}  // namespace
}  // namespace rivera::base
