// Garden's end of a connection to a shim.
#include "garden/runtime/shim_connection.h"

#include <csignal>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "net/stream/stream_factory.h"

namespace rivera::garden {
namespace {

// Two ends of a socket: a connection that no shim answers.
struct Silent {
  Silent() {
    asio::local::connect_pair(near, far);
    connection = std::make_unique<ShimConnection>(net::make_stream(std::move(near)));
  }
  asio::io_context io{1};
  net::UnixSocket near{io}, far{io};
  std::unique_ptr<ShimConnection> connection;
};

void read_twice() {
  Silent silent;
  for (int i = 0; i < 2; ++i) asio::co_spawn(silent.io, silent.connection->receive(), asio::detached);
  silent.io.poll();
}

TEST(ShimConnectionDeathTest, HasOneReader) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(read_twice(), testing::KilledBySignal(SIGABRT), "one frame is read at a time");
}

TEST(ShimConnection, MayBeReadAgainAfterAFailure) {
  Silent silent;
  int failures = 0;
  for (int i = 0; i < 2; ++i) {
    asio::co_spawn(silent.io, silent.connection->receive(),
                   [&](std::exception_ptr failure, std::optional<shim::Frame>) { failures += failure ? 1 : 0; });
    silent.io.poll();
    silent.connection->close();
    silent.io.restart();
    silent.io.run_for(std::chrono::seconds(10));
  }
  EXPECT_EQ(failures, 2);
}

}  // namespace
}  // namespace rivera::garden
