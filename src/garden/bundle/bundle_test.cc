// The configuration that the runtime gets.
#include "garden/bundle/bundle.h"

#include <map>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <gtest/gtest.h>

#include "garden/bundle/users.h"
#include "garden/host/options.h"

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
  input.system_mounts = {{"/depot/handle/hosts", "/etc/hosts", true}};
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

TEST(Bundle, OfARestrictedContainerAllowsLess) {
  Options options;
  options.restrict_syscalls = true;
  options.deny_raw_sockets = true;
  const auto config = make_bundle(an_input(options, a_host()), options, a_host());
  const auto& seccomp = config.at("linux").at("seccomp");
  const auto names = texts(seccomp.at("syscalls").at(0).at("names"));
  EXPECT_EQ(names.size(), 309u);
  for (const char* name : {"io_setup", "socket", "socketcall"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 0) << name;
  }
  EXPECT_EQ(seccomp.at("architectures").as_array().size(), 1u);
  const auto held = texts(config.at("process").at("capabilities").at("bounding"));
  EXPECT_EQ(held.size(), 13u);
  EXPECT_EQ(std::count(held.begin(), held.end(), "CAP_NET_RAW"), 0);
  EXPECT_EQ(config.at("linux").at("sysctl").at("net.ipv4.ping_group_range"), "1 65535");
}

TEST(Bundle, OfAProcessWithAnImageJoinsItsContainersNamespaces) {
  const Options options;
  BundleInput input = an_input(options, a_host());
  input.joined_namespaces = {{"network", "/n"}, {"user", "/u"}};
  input.process = {{"args", json::array{"true"}}};
  const auto config = make_bundle(input, options, a_host());
  EXPECT_FALSE(config.contains("hostname"));
  EXPECT_FALSE(config.at("linux").as_object().contains("sysctl"));
  EXPECT_EQ(config.at("process").at("args").at(0), "true");
  EXPECT_EQ(json::serialize(config.at("mounts")).find("garden-init"), std::string::npos);
  std::map<std::string, std::string> paths;
  for (const auto& one : config.at("linux").at("namespaces").as_array()) {
    const auto* path = one.as_object().if_contains("path");
    paths[json::value_to<std::string>(one.at("type"))] = path == nullptr ? "" : json::value_to<std::string>(*path);
  }
  const std::map<std::string, std::string> expected{{"network", "/n"}, {"user", "/u"}, {"mount", ""},
                                                    {"pid", ""},       {"uts", ""},    {"ipc", ""}};
  EXPECT_EQ(paths, expected);
}

TEST(Bundle, RulesOfDevicesReplaceTheUsualOnesOfPrivilegedContainers) {
  Options options;
  options.device_rules = {{'c', 10, 229, "r"}, {'b', std::nullopt, std::nullopt, "r"}};
  BundleInput input = an_input(options, a_host());
  const auto rules = [&] {
    return make_bundle(input, options, a_host()).at("linux").at("resources").at("devices").as_array();
  };
  EXPECT_EQ(rules().size(), 12u);
  input.privileged = true;
  const auto of_privileged = rules();
  EXPECT_EQ(of_privileged.size(), 13u);
  EXPECT_EQ(json::serialize(of_privileged.at(1)), R"({"allow":true,"type":"c","access":"r","major":10,"minor":229})");
  EXPECT_EQ(json::serialize(of_privileged.at(2)), R"({"allow":true,"type":"b","access":"r"})");
  const std::string all = json::serialize(of_privileged);
  EXPECT_EQ(all.find(R"({"allow":true,"type":"b","access":"m"})"), std::string::npos);
  EXPECT_EQ(all.find(R"("access":"rwm","major":10,"minor":229)"), std::string::npos);
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
  const std::vector<std::string> expected{"B=1", "C=3", "A=4", "PATH=/usr/local/bin:/usr/bin:/bin", "USER=vcap:group"};
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
  const auto with_group = resolve_user("vcap:extra", passwd, group);
  EXPECT_EQ(with_group.gid, 3000u);
  EXPECT_TRUE(with_group.additional_gids.empty());
  EXPECT_EQ(resolve_user("2000", passwd, group).home, "/home/vcap");
  const auto unknown = resolve_user("1234:99", passwd, group);
  EXPECT_EQ(unknown.uid, 1234u);
  EXPECT_EQ(unknown.gid, 99u);
  EXPECT_EQ(unknown.home, "/");
  EXPECT_EQ(resolve_user("", passwd, group).home, "/root");
  EXPECT_EQ(resolve_user("root", "", "").home, "/");
  EXPECT_THROW(resolve_user("unknown", passwd, group), api::GardenError);
  EXPECT_THROW(resolve_user("vcap:unknown", passwd, group), api::GardenError);
}

TEST(Users, ANumberIsAnIdAndNeverAName) {
  const std::string passwd = "2000:x:7:8:other:/home/other:/bin/sh\nvcap:x:2000:2001:v:/home/vcap:/bin/sh\n";
  const std::string group = "3000:x:9:\n";
  EXPECT_EQ(resolve_user("2000", passwd, group).gid, 2001u);
  EXPECT_EQ(resolve_user("7", passwd, group).home, "/home/other");
  EXPECT_EQ(resolve_user("vcap:3000", passwd, group).gid, 3000u);
}

TEST(Users, ANumberTooLargeForAnIdIsNoName) {
  const std::string passwd = "4294967296:x:7:8:other:/home/other:/bin/sh\n", group = "4294967296:x:9:\n";
  EXPECT_THROW(resolve_user("4294967296", passwd, group), api::GardenError);
  EXPECT_THROW(resolve_user("0:4294967296", passwd, group), api::GardenError);
}

TEST(Users, OfAProcessWithAnImageHaveNumbersOrNoGroup) {
  const std::string passwd = "root:x:0:5::/root:/bin/sh\nproxy:x:1500:1600::/home/proxy:/bin/sh\n";
  EXPECT_EQ(resolve_pea_user("", passwd).gid, 0u);
  EXPECT_EQ(resolve_pea_user("7:8", passwd).uid, 7u);
  EXPECT_EQ(resolve_pea_user("7:8", passwd).gid, 8u);
  EXPECT_EQ(resolve_pea_user("proxy", passwd).gid, 1600u);
  EXPECT_EQ(resolve_pea_user("1500", passwd).home, "/home/proxy");
  for (const char* wrong : {"proxy:1600", "1500:proxy", ":1", "1:", "proxy:proxy"}) {
    EXPECT_THROW(resolve_pea_user(wrong, passwd), api::GardenError) << wrong;
  }
}

TEST(Users, AnEmptyUserIsTheEntryOfIdZero) {
  const std::string passwd = "root:x:5:5::/not-this:/bin/sh\ntoor:x:0:11::/home/toor:/bin/sh\n";
  const auto user = resolve_user("", passwd, "wheel:x:10:toor\n");
  EXPECT_EQ(user.uid, 0u);
  EXPECT_EQ(user.gid, 11u);
  EXPECT_EQ(user.home, "/home/toor");
  EXPECT_EQ(user.additional_gids, std::vector<std::uint32_t>{10});
  EXPECT_EQ(resolve_user("", "", "").home, "/");
}

TEST(IdMapping, AnIdOutsideEveryRangeStaysAsItIs) {
  Options options;
  options.uid_map_length = 100;
  const IdMapping mapping = unprivileged_mapping(options, a_host());
  EXPECT_EQ(mapping.host_uid(100), 100u);
  EXPECT_EQ(mapping.host_uid(5000), 5000u);
  EXPECT_EQ(mapping.host_uid(0), 4294967294u);
  EXPECT_TRUE(mapping.has_uid(0) && mapping.has_uid(100) && mapping.has_gid(5000));
  EXPECT_FALSE(mapping.has_uid(101) || mapping.has_uid(4294967294u));
  EXPECT_TRUE(IdMapping().has_uid(4294967294u)) << "without a user namespace every id is there";
}

}  // namespace
}  // namespace rivera::garden
