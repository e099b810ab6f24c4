// Which names containers resolve, and with which servers.
#include "garden/network/name_files.h"

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

constexpr const char* kLocal = "10.0.0.1";

std::string from_host(const std::string& resolv_conf, const std::string& upstream = "", const Options& options = {}) {
  return resolv_conf_file(options, {resolv_conf, upstream}, kLocal).text;
}

TEST(ResolvConf, IsTheHostsWithoutServersOnItsLoopback) {
  EXPECT_EQ(from_host("# made by hand\nsearch a.example\noptions ndots:2\nnameserver 192.0.2.1\nnameserver 127.0.0.1\n"
                      "nameserver\t127.0.0.2\nnameserver ::1\n"),
            "# made by hand\nsearch a.example\noptions ndots:2\nnameserver 192.0.2.1\n");
  Options options;
  options.additional_dns_servers = {"192.0.2.9"};
  EXPECT_EQ(from_host("nameserver 192.0.2.1\n", "", options), "nameserver 192.0.2.1\nnameserver 192.0.2.9\n");
}

TEST(ResolvConf, NamesTheBridgeWhereTheHostNamesNothingButItself) {
  EXPECT_EQ(from_host("nameserver 127.0.0.1\n"), "nameserver 10.0.0.1\n");
  EXPECT_EQ(from_host("nameserver 127.0.0.2"), "nameserver 10.0.0.1\n");
  EXPECT_EQ(from_host("search a\nnameserver 127.0.0.1\n"), "search a\n") << "more than that line";
}

TEST(ResolvConf, NamesTheServersBehindTheStubOfSystemdResolved) {
  const std::string stub = "# stub\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";
  EXPECT_EQ(from_host(stub, "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch lan\n"),
            "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch lan\n");
  EXPECT_EQ(from_host("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n"), "nameserver 192.0.2.1\n");
  EXPECT_EQ(from_host(stub, "search lan\n"), "# stub\noptions edns0 trust-ad\nsearch lan\n");
  EXPECT_EQ(from_host("nameserver 127.0.0.1\n", "nameserver 192.0.2.1\n"), "nameserver 10.0.0.1\n")
      << "another resolver than systemd's";
}

TEST(ResolvConf, SaysWhenNoNameWillBeResolved) {
  const auto problem = [](const std::string& resolv_conf, const std::string& upstream, const Options& options) {
    return resolv_conf_file(options, {resolv_conf, upstream}, kLocal).problem;
  };
  EXPECT_NE(problem("", "", {}), "");
  EXPECT_NE(problem("nameserver 127.0.0.53\noptions a\n", "", {}), "");
  EXPECT_NE(problem("nameserver 127.0.0.53\n", "", {}), "");
  EXPECT_EQ(problem("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n", {}), "");
  EXPECT_EQ(problem("nameserver 127.0.0.1\n", "", {}), "");
  EXPECT_EQ(problem("nameserver 192.0.2.1\n", "", {}), "");
  Options options;
  options.dns_servers = {"192.0.2.1"};
  EXPECT_EQ(problem("nameserver 127.0.0.53\n", "", options), "");
}

TEST(ResolvConf, IsTheOperatorsIfThereAreServers) {
  Options options;
  options.dns_servers = {"192.0.2.1"};
  options.additional_dns_servers = {"192.0.2.2"};
  EXPECT_EQ(from_host("search a\nnameserver 192.0.2.7\n", "", options), "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
}

TEST(ResolvConf, FollowsAPlugin) {
  Options options;
  options.dns_servers = {"192.0.2.1"};
  const HostResolver host{"search a\noptions b\nnameserver 192.0.2.7\n", ""};
  const auto text = [&](const Options& o, const PluginResolver& plugin) {
    return resolv_conf_file(o, host, kLocal, plugin).text;
  };
  const std::vector<std::string> servers{"192.0.2.3", "192.0.2.4"}, domains{"c", "d"};
  EXPECT_EQ(text(options, {servers, std::nullopt}), "nameserver 192.0.2.3\nnameserver 192.0.2.4\n");
  EXPECT_EQ(text(options, {std::vector<std::string>{}, std::nullopt}), "");
  EXPECT_EQ(text(options, {std::nullopt, domains}), "nameserver 192.0.2.1\nsearch c d\n");
  EXPECT_EQ(text({}, {std::nullopt, domains}), "options b\nnameserver 192.0.2.7\nsearch c d\n");
  EXPECT_EQ(text({}, {std::nullopt, std::vector<std::string>{}}), "options b\nnameserver 192.0.2.7\n");
  EXPECT_EQ(text({}, {servers, domains}), "nameserver 192.0.2.3\nnameserver 192.0.2.4\nsearch c d\n");
}

TEST(HostsFile, NamesTheContainerByTheEndOfItsHandle) {
  const std::string handle = "0123456789" + std::string(49, 'x');
  EXPECT_EQ(hosts_file(handle, "10.0.0.2", {"192.0.2.7 seven"}),
            "127.0.0.1 localhost\n10.0.0.2 " + std::string(49, 'x') + "\n192.0.2.7 seven\n");
}

}  // namespace
}  // namespace rivera::garden
