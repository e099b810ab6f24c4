// The command line.
#include "garden/host/options.h"

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

TEST(Flags, AreThoseOfUpstream) {
  const Options options = parse_option_list({"server", "--depot", "/d/", "--bind-ip=127.0.0.1", "--bind-port", "7777",
                                             "--skip-setup", "--deny-network", "0.0.0.0/0", "--deny-network", "::/0",
                                             "--default-grace-time", "5m", "--image-plugin", "/x",
                                             "--image-plugin-extra-arg", "\"--store\"", "--time-format", "rfc3339"});
  EXPECT_EQ(options.depot, "/d");
  EXPECT_EQ(options.state_dir, "/d-state");
  EXPECT_EQ(options.listen_address(), "127.0.0.1:7777");
  EXPECT_EQ(options.deny_networks.size(), 2u);
  EXPECT_EQ(options.default_grace_time, std::chrono::minutes(5));
  EXPECT_EQ(options.ignored.size(), 3u);
  EXPECT_EQ(parse_option_list({"--bind-socket-mode", "0660"}).bind_socket_mode, 0660u);
  EXPECT_EQ(parse_option_list({"--bind-socket", "/s"}).listen_address(), "unix:/s");
  EXPECT_EQ(parse_option_list({"cleanup", "--depot", "/d"}).command, Options::Command::kCleanup);
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--no-such-flag"},
                                                {"--log-level", "loud"},
                                                {"--tag", "abc"},
                                                {"--bind-socket-mode", "0800"},
                                                {"--bind-socket-mode", ""},
                                                {"--bind-socket-mode", "1777"},
                                                {"--port-pool-start", "65000"},
                                                {"--default-grace-time", "soon"}}) {
    EXPECT_THROW(parse_option_list(wrong), std::invalid_argument) << wrong[0];
  }
}

}  // namespace
}  // namespace rivera::garden
