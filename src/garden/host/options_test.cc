#include "garden/host/options.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::garden {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::string> devices_of(const Options& c) {
  std::vector<std::string> texts;
  for (const auto& rule : c.device_rules) {
    const auto number = [](const auto& n) { return n ? std::to_string(*n) : std::string("*"); };
    texts.push_back(std::string(1, rule.type) + " " + number(rule.major) + ":" + number(rule.minor) + " " +
                    rule.access);
  }
  return texts;
}

// Every member except the notices.
std::string read_as(const Options& c) {
  return base::testing::fields(
      c.command, c.bind_ip, c.bind_port, c.bind_socket, c.bind_socket_mode, c.read_header_timeout, c.read_body_timeout,
      c.read_document_timeout, c.transfer_timeout, c.write_timeout, c.idle_timeout, c.debug_bind_ip, c.debug_bind_port,
      c.depot, c.state_dir, c.run_dir, c.tag, c.runtime, c.runtime_extra_args, c.init_bin, c.shim_bin, c.default_rootfs,
      c.docker_registry, c.insecure_docker_registries, c.registry_certificates, c.deny_registry_networks,
      c.allow_registry_networks, c.graph_cleanup_threshold_megabytes, c.default_grace_time,
      c.destroy_containers_on_startup, c.disable_privileged_containers, c.cleanup_process_dirs_on_wait,
      c.max_containers, c.uid_map_start, c.uid_map_length, c.gid_map_start, c.gid_map_length, c.container_id_ranges,
      c.container_id_pool_start, c.container_id_pool_size, c.container_id_range_length, c.apparmor, c.no_new_privileges,
      c.network_pool, c.allow_host_access, c.deny_networks, c.dns_servers, c.additional_dns_servers,
      c.additional_host_entries, c.external_ip, c.port_pool_start, c.port_pool_size, c.port_pool_properties_path, c.mtu,
      c.enable_container_network_metrics, c.container_connection_limit, c.network_plugin, c.network_plugin_extra_args,
      c.image_plugin, c.image_plugin_extra_args, c.privileged_image_plugin, c.privileged_image_plugin_extra_args,
      c.cpu_quota_per_share, c.blockio_weight, c.disable_swap_limit, c.cpu_entitlement_per_share,
      c.default_memory_limit, c.default_pid_limit, c.deny_raw_sockets, c.restrict_syscalls, devices_of(c), c.skip_setup,
      c.tcp_keepalive_time, c.tcp_keepalive_interval, c.tcp_keepalive_probes, c.tcp_retries1, c.tcp_retries2,
      c.log_level, c.rfc3339_time);
}

std::string failure(const std::vector<std::string>& arguments) {
  try {
    parse_option_list(arguments);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no failure";
}

std::vector<std::string> arguments_of(const json::object& values) {
  std::vector<std::string> out;
  for (const auto& member : values) {
    const std::string flag = "--" + std::string(member.key()) + "=";
    if (member.value().is_string()) out.push_back(flag + std::string(member.value().get_string()));
    if (!member.value().is_array()) continue;
    for (const auto& item : member.value().get_array()) out.push_back(flag + std::string(item.as_string()));
  }
  return out;
}

TEST(Options, EachFlagDoesWhatItsTableSays) {
  base::testing::ConfigWalk walk;
  walk.keys = option_keys();
  walk.source = base::ConfigSource::kFlags;
  walk.load = [](const json::object& values) {
    const Options options = parse_option_list(arguments_of(values));
    return base::testing::LoadedConfig{read_as(options), options.notices};
  };
  walk.samples = {{"tag", "ab"},
                  {"bind-socket-mode", "0600"},
                  {"port-pool-start", "50000"},
                  {"port-pool-size", "100"},
                  {"network-plugin", "/bin/true"},
                  {"image-plugin", "/bin/true"},
                  {"privileged-image-plugin", "/bin/true"},
                  {"device-cgroup-rule", json::array{"c 10:200 rwm"}},
                  {"deny-registry-network", json::array{"10.0.0.0/8"}},
                  {"allow-registry-network", json::array{"10.0.0.0/8"}}};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST(Options, KnowEveryFlagOfTheSpecification) {
  std::vector<std::string> named;
  for (const std::string& name : base::testing::keys_in_specification("garden.md", "### 6.1 ")) {
    // "uid-map-start/-length": a name, and other ends of it.
    std::istringstream parts(name);
    std::string first, end;
    std::getline(parts, first, '/');
    named.push_back(first);
    while (std::getline(parts, end, '/')) {
      if (end.starts_with('-')) named.push_back(first.substr(0, first.rfind('-')) + end);
    }
  }
  EXPECT_GT(named.size(), 60u);
  EXPECT_THAT(base::testing::keys_missing(named, option_keys()), ::testing::IsEmpty());
}

TEST(Options, AnEmptyValueSwallowsNoFlag) {
  const Options options = parse_option_list({"server", "--apparmor=", "--log-level=error"});
  EXPECT_EQ(options.apparmor, "");
  EXPECT_EQ(options.log_level, "error");
}

TEST(Options, OfPluginsNamePrograms) {
  for (const char* flag : {"--image-plugin", "--privileged-image-plugin", "--network-plugin"}) {
    EXPECT_THAT(failure({flag, "/nonexistent"}), AllOf(HasSubstr(flag), HasSubstr("/nonexistent")));
    EXPECT_EQ(failure({flag, "/bin/true"}), "no failure");
    EXPECT_EQ(failure({std::string(flag) + "="}), "no failure");
  }
  const Options options = parse_option_list({"--network-plugin-extra-arg=--a", "--network-plugin-extra-arg=\"b\""});
  EXPECT_EQ(options.network_plugin_extra_args, (std::vector<std::string>{"--a", "b"}));
}

TEST(Options, ThePortPoolEndsBeforeThePortsDo) {
  EXPECT_THAT(failure({"--port-pool-start", "61001", "--port-pool-size", "4535"}),
              HasSubstr("invalid pool range: port_pool: New: invalid port range: startL 61001, size: 4535"));
}

TEST(Options, ComeFromAFileToo) {
  base::TemporaryDirectory directory;
  const auto path = (directory.path() / "garden.ini").string();
  base::write_file_atomically(path,
                              "# Garden\n[server]\n depot = /d\n; more\nskip-setup = true\ndns-server = 192.0.2.1\n"
                              "dns-server = \"192.0.2.2\"\ndestroy-containers-on-startup = true\nlog-level = debug\n");
  const Options options = parse_option_list({"--config", path, "server", "--log-level", "error"});
  EXPECT_EQ(options.depot, "/d");
  EXPECT_EQ(options.dns_servers, (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}));
  EXPECT_TRUE(options.destroy_containers_on_startup);
  EXPECT_EQ(options.log_level, "error") << "the command line counts";
  for (const char* wrong :
       {"[server]\nno-such-flag = 1\n", "[server]\nnonsense\n", "depot = /d\n", "[other]\ntag = a\n"}) {
    base::write_file_atomically(path, wrong);
    EXPECT_NE(failure({"--config", path, "server"}), "no failure") << wrong;
  }
  EXPECT_THAT(failure({"--config", "/nonexistent", "server"}), HasSubstr("/nonexistent"));
}

TEST(Options, TheModeOfTheSocketIsOctal) {
  EXPECT_EQ(parse_option_list({}).bind_socket_mode, 0777u);
  EXPECT_EQ(parse_option_list({"--bind-socket-mode", "0660"}).bind_socket_mode, 0660u);
  for (const char* wrong : {"0800", "", "1777"}) {
    EXPECT_THAT(failure({"--bind-socket-mode", wrong}), HasSubstr("bind-socket-mode")) << wrong;
  }
}

TEST(Options, RulesOfDevicesAreRead) {
  const Options options =
      parse_option_list({"--device-cgroup-rule", "c 10:200 rwm", "--device-cgroup-rule", "b *:* r"});
  EXPECT_EQ(devices_of(options), (std::vector<std::string>{"c 10:200 rwm", "b *:* r"}));
  for (const char* wrong : {"", "x 1:3 r", "c 1 r", "c 1:3", "c 1:3 x", "c -1:3 r", "c 1:3 rwmr"}) {
    EXPECT_THAT(failure({"--device-cgroup-rule", wrong}), HasSubstr("device-cgroup-rule")) << wrong;
  }
}

TEST(Options, NameTheCommandOrNone) {
  EXPECT_EQ(parse_option_list({"cleanup"}).command, Options::Command::kCleanup);
  EXPECT_EQ(parse_option_list({"setup"}).command, Options::Command::kSetup);
  EXPECT_EQ(parse_option_list({}).command, Options::Command::kServer);
  EXPECT_THAT(failure({"serve"}), HasSubstr("serve"));
  EXPECT_THAT(failure({"server", "cleanup"}), HasSubstr("cleanup"));
}

}  // namespace
}  // namespace rivera::garden
