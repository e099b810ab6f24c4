// What the runtime is told, from pure parts.
#include "garden/runtime/bundle.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <gtest/gtest.h>

#include "garden/gardener/container.h"
#include "garden/host/options.h"
#include "garden/network/firewall.h"
#include "garden/runtime/users.h"

namespace rivera::garden {
namespace {

namespace api = clients::garden;
namespace json = boost::json;

Host a_host() {
  Host host;
  host.largest_id = 4294967294u;
  host.capabilities = ~0ull;
  host.has_swap_limit = true;
  host.sysctls = {{"net.ipv4.tcp_retries1", "3"}};
  return host;
}

BundleInput an_input(const Options& options, const Host& host) {
  BundleInput input;
  input.handle = "handle";
  input.root = "/root/fs";
  input.hosts = "/depot/handle/hosts", input.resolv_conf = "/depot/handle/resolv.conf";
  input.mapping = unprivileged_mapping(options, host);
  return input;
}

std::vector<std::string> texts(const json::value& array) { return json::value_to<std::vector<std::string>>(array); }

TEST(Bundle, MapsRootToTheLargestIdAndAllOthersToThemselves) {
  const IdMapping mapping = unprivileged_mapping(Options{}, a_host());
  EXPECT_EQ(mapping.host_uid(0), 4294967294u);
  EXPECT_EQ(mapping.host_uid(2000), 2000u);
  EXPECT_EQ(mapping.host_uid(4294967294u), 4294967294u);
  EXPECT_EQ(mapping.host_gid(4294967293u), 4294967293u);
  EXPECT_EQ(largest_mapped_id("         0          0 4294967295\n"), 4294967294u);
  EXPECT_EQ(largest_mapped_id("0 100000 65536\n65536 500000 10\n"), 65545u);
}

TEST(Bundle, GivesLimitsToTheRuntimeAndLeavesOutWhatIsUnlimited) {
  const Options options;
  BundleInput input = an_input(options, a_host());
  auto config = make_bundle(input, options, a_host());
  const auto resources = [&] { return config.at("linux").at("resources"); };
  EXPECT_TRUE(resources().at("memory").as_object().empty());
  EXPECT_FALSE(resources().as_object().contains("pids"));
  input.limits.memory.limit_in_bytes = 1 << 20;
  input.limits.cpu = {5, 7};
  input.limits.pid.max = 9;
  config = make_bundle(input, options, a_host());
  EXPECT_EQ(resources().at("memory").at("limit"), 1 << 20);
  EXPECT_EQ(resources().at("memory").at("swap"), 1 << 20);
  EXPECT_EQ(resources().at("cpu").at("shares"), 7u);
  EXPECT_EQ(resources().at("pids").at("limit"), 9u);
}

TEST(Bundle, AnUnprivilegedContainerIsFilteredAndMasked) {
  const Options options;
  const BundleInput input = an_input(options, a_host());
  const auto config = make_bundle(input, options, a_host());
  EXPECT_EQ(config.at("linux").at("seccomp").at("defaultAction"), "SCMP_ACT_ERRNO");
  EXPECT_EQ(config.at("linux").at("seccomp").at("syscalls").at(0).at("names").as_array().size(), 312u);
  EXPECT_EQ(config.at("linux").at("maskedPaths").as_array().size(), 8u);
  EXPECT_EQ(config.at("linux").at("namespaces").as_array().size(), 6u);
  EXPECT_EQ(config.at("process").at("capabilities").at("bounding").as_array().size(), 14u);
}

TEST(Bundle, APrivilegedContainerHasEveryCapabilityTheServerHolds) {
  const Options options;
  Host host = a_host();
  host.capabilities = ~(1ull << 24);
  BundleInput input = an_input(options, host);
  input.privileged = true;
  const auto config = make_bundle(input, options, host);
  EXPECT_FALSE(config.at("linux").as_object().contains("seccomp"));
  EXPECT_EQ(config.at("linux").at("namespaces").as_array().size(), 5u);
  const auto names = texts(config.at("process").at("capabilities").at("bounding"));
  EXPECT_EQ(names.size(), 37u);
  EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_SYS_RESOURCE"), 0);
  EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_SYS_ADMIN"), 1);
}

TEST(Bundle, TheHostNameIsTheEndOfALongHandle) {
  EXPECT_EQ(host_name_of("short"), "short");
  EXPECT_EQ(host_name_of(std::string(20, 'a') + std::string(49, 'b')), std::string(49, 'b'));
}

TEST(Process, LaterVariablesWinAndEachIsThereOnce) {
  api::ProcessSpec spec;
  spec.env = {"A=2", "C=3", "A=4"};
  spec.user = "vcap:group";
  const std::vector<std::string> expected{"B=1", "C=3", "A=4", "PATH=/usr/local/bin:/usr/bin:/bin", "USER=vcap"};
  EXPECT_EQ(process_environment({"A=1", "B=1"}, spec, 2000), expected);
}

TEST(Process, AUserWhoIsNotRootHasNoEffectiveCapabilities) {
  ProcessInput input;
  input.spec.path = "prog";
  input.user = {2000, 2000, {3000}, "/home/vcap"};
  input.directory = "/home/vcap";
  const auto process = make_process(input, Options{}, a_host());
  EXPECT_EQ(process.at("user").at("additionalGids").at(0), 3000u);
  EXPECT_FALSE(process.at("capabilities").as_object().contains("effective"));
  EXPECT_FALSE(process.at("capabilities").as_object().contains("ambient"));
  const auto env = texts(process.at("env"));
  EXPECT_EQ(std::count(env.begin(), env.end(), "HOME=/home/vcap"), 1);
}

TEST(Users, AreFoundByNameNumberAndGroup) {
  const std::string passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nvcap:x:2000:2001:v:/home/vcap:/bin/sh\n";
  const std::string group = "root:x:0:\nvcap:x:2001:\nextra:x:3000:other,vcap\n";
  const auto named = resolve_user("vcap", passwd, group);
  EXPECT_EQ(named.uid, 2000u);
  EXPECT_EQ(named.gid, 2001u);
  EXPECT_EQ(named.home, "/home/vcap");
  EXPECT_EQ(named.additional_gids, std::vector<std::uint32_t>{3000});
  EXPECT_EQ(resolve_user("vcap:extra", passwd, group).gid, 3000u);
  EXPECT_EQ(resolve_user("2000", passwd, group).home, "/home/vcap");
  const auto unknown = resolve_user("1234:99", passwd, group);
  EXPECT_EQ(unknown.uid, 1234u);
  EXPECT_EQ(unknown.gid, 99u);
  EXPECT_EQ(unknown.home, "/");
  EXPECT_EQ(resolve_user("", passwd, group).home, "/root");
  EXPECT_EQ(resolve_user("root", "", "").home, "/");
  EXPECT_THROW(resolve_user("stranger", passwd, group), api::GardenError);
  EXPECT_THROW(resolve_user("vcap:strangers", passwd, group), api::GardenError);
}

TEST(NetOutRules, ThatCannotBeExpressedAreRefused) {
  api::NetOutRule rule;
  rule.networks = {{"1.1.1.1", "1.1.1.9"}};
  rule.log = true;
  check_rule(rule);
  rule.ports = {{1, 2}};
  EXPECT_THROW(check_rule(rule), api::GardenError);
  rule.protocol = api::NetOutProtocol::kIcmp;
  EXPECT_THROW(check_rule(rule), api::GardenError);
  rule.protocol = api::NetOutProtocol::kUdp;
  check_rule(rule);
  rule.networks = {{"1.1.1.1; flush ruleset", ""}};
  EXPECT_THROW(check_rule(rule), api::GardenError);
  rule.networks = {{"1.1.1.9", "1.1.1.1"}};
  EXPECT_THROW(check_rule(rule), api::GardenError);
}

TEST(NetOutRules, TheNewestComesFirstAndTextOfAHandleCannotLeaveItsQuotes) {
  ContainerRules container{
      "id", "a\" ; flush ruleset #", "br", {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")}, {}, {}};
  for (const char* address : {"1.1.1.1", "2.2.2.2"}) {
    api::NetOutRule rule;
    rule.networks = {{address, ""}};
    container.net_out.push_back(rule);
  }
  const std::string commands = net_out_commands(FirewallOptions{}, container);
  EXPECT_LT(commands.find("2.2.2.2"), commands.find("1.1.1.1"));
  EXPECT_NE(commands.find("comment \"aflushruleset\""), std::string::npos) << commands;
}

TEST(ContainerRecord, IsReadAsItWasWritten) {
  ContainerRecord record;
  record.handle = "h";
  record.properties = {{"k", "v\"\n"}};
  record.env = {"A=1"};
  record.limits.memory.limit_in_bytes = 5;
  record.image = {"/r", "h", 77};
  record.network.emplace();
  record.network->id = "0123456789a", record.network->lease = {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")};
  record.network->ports = {{1, 2}};
  record.network->net_out.emplace_back().protocol = api::NetOutProtocol::kTcp;
  record.init_pid = 12, record.init_start_time = 13, record.boot_id = "b", record.oom_kills = 2;
  record.cgroup_paths = {{"memory", "/sys/x"}};
  const auto again = ContainerRecord::from_json(record.to_json());
  EXPECT_EQ(again.to_json(), record.to_json());
  EXPECT_EQ(again.properties, record.properties);
  EXPECT_EQ(again.network->ports, record.network->ports);
  EXPECT_THROW(ContainerRecord::from_json("{}"), std::runtime_error);
  EXPECT_THROW(ContainerRecord::from_json("{\"handle\":"), std::runtime_error);
}

TEST(Names, ThatAreNoPathComponentAreRefused) {
  check_name("handle", "a-b_c.d e");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_THROW(check_name("handle", name), api::GardenError) << name;
  }
}

TEST(Flags, AreThoseOfUpstream) {
  const Options options =
      parse_option_list({"server", "--depot", "/d/", "--bind-ip=127.0.0.1", "--bind-port", "7777", "--skip-setup",
                         "--deny-network", "0.0.0.0/0", "--deny-network", "::/0", "--default-grace-time", "5m",
                         "--assets-dir", "\"/a b\"", "--time-format", "rfc3339"});
  EXPECT_EQ(options.depot, "/d");
  EXPECT_EQ(options.state_dir, "/d-state");
  EXPECT_EQ(options.listen_address(), "127.0.0.1:7777");
  EXPECT_EQ(options.deny_networks.size(), 2u);
  EXPECT_EQ(options.default_grace_time, std::chrono::minutes(5));
  EXPECT_EQ(options.notices.size(), 2u);
  EXPECT_EQ(parse_option_list({"--bind-socket", "/s"}).listen_address(), "unix:/s");
  EXPECT_EQ(parse_option_list({"cleanup", "--depot", "/d"}).command, Options::Command::kCleanup);
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--no-such-flag"},
                                                {"--log-level", "loud"},
                                                {"--tag", "abc"},
                                                {"--port-pool-start", "65000"},
                                                {"--default-grace-time", "soon"}}) {
    EXPECT_THROW(parse_option_list(wrong), std::invalid_argument) << wrong[0];
  }
}

}  // namespace
}  // namespace rivera::garden
