#include "clients/garden/garden_types.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivera::clients::garden {
namespace {

namespace json = boost::json;

template <typename T>
std::string text(const T& value) {
  return json::serialize(to_json(value));
}

// As upstream's executor sent it to upstream's server.
constexpr const char* kRecordedSpec =
    R"({"handle":"h","image":{"uri":"docker:///cfdiegodocker/grace"},)"
    R"("bind_mounts":[{"src_path":"/a","dst_path":"/tmp/grace"},{"src_path":"/b","dst_path":"/c","mode":1}],)"
    R"("properties":{"executor:owner":"executor","log_config":"{\"guid\":\"\"}"},"env":["INSTANCE_INDEX=0"],)"
    R"("limits":{"bandwidth_limits":{},"cpu_limits":{},"disk_limits":{"inode_hard":200000,"byte_hard":134217728},)"
    R"("memory_limits":{"limit_in_bytes":134217728},"pid_limits":{}},"netin":[{"host_port":0,"container_port":2222}]})";

TEST(GardenTypes, AContainerSpecIsReadAndWrittenAsUpstreamDoes) {
  const auto spec = container_spec_from_json(json::parse(kRecordedSpec));
  EXPECT_EQ(spec.image.uri, "docker:///cfdiegodocker/grace");
  EXPECT_FALSE(spec.bind_mounts.at(0).read_write);
  EXPECT_TRUE(spec.bind_mounts.at(1).read_write);
  EXPECT_EQ(spec.limits.disk.byte_hard, 134217728u);
  EXPECT_EQ(spec.netin.at(0).container_port, 2222u);
  EXPECT_EQ(text(spec), kRecordedSpec);
}

TEST(GardenTypes, MemberNamesAreMatchedWithoutCaseAndNullsAreAbsent) {
  const auto spec = container_spec_from_json(
      json::parse(R"({"HANDLE":"h","Limits":null,"unknown":[1],"env":null,"PRIVILEGED":true})"));
  EXPECT_EQ(spec.handle, "h");
  EXPECT_TRUE(spec.privileged);
}

TEST(GardenTypes, WrongTypesAreErrors) {
  for (const char* wrong : {R"({"handle":1})", R"({"env":"x"})", R"({"limits":[]})", R"([])", R"({"grace_time":1.5})",
                            R"({"netin":[{"host_port":-1}]})", R"({"properties":{"a":1}})"}) {
    EXPECT_THROW(container_spec_from_json(json::parse(wrong)), GardenError) << wrong;
  }
}

TEST(GardenTypes, LimitsOfAProcessThatArePresentButEmptyAreNotAbsent) {
  EXPECT_FALSE(process_spec_from_json(json::parse(R"({"path":"x"})")).limits.has_value());
  EXPECT_FALSE(process_spec_from_json(json::parse(R"({"path":"x","limits":null})")).limits.has_value());
  EXPECT_TRUE(process_spec_from_json(json::parse(R"({"path":"x","limits":{}})")).limits.has_value());
  const std::string recorded =
      R"({"path":"/bin/sh","args":["-c","echo healthy"],"dir":"/tmp","user":"vcap","rlimits":{},"image":{}})";
  EXPECT_EQ(text(process_spec_from_json(json::parse(recorded))), recorded);
}

TEST(GardenTypes, AProcessSpecKeepsItsResourceLimitsAndTerminal) {
  ProcessSpec spec;
  spec.rlimits.nofile = 1024;
  spec.rlimits.stack = ~0ull;
  spec.tty = TtySpec{WindowSize{120, 40}};
  const auto again = process_spec_from_json(to_json(spec));
  EXPECT_EQ(again.rlimits.nofile, 1024u);
  EXPECT_EQ(again.rlimits.stack, ~0ull);
  EXPECT_FALSE(again.rlimits.core);
  EXPECT_EQ(again.tty->window_size->columns, 120);
}

TEST(GardenTypes, NetOutRulesKeepAllTheirParts) {
  const auto json = json::parse(
      R"({"protocol":3,"networks":[{"start":"1.1.1.1","end":"1.1.1.2"},{"start":"2.2.2.2"}],"ports":[{"start":1,"end":2}],"icmps":{"type":8,"code":0},"log":true})");
  const auto rule = net_out_rule_from_json(json);
  EXPECT_EQ(rule.protocol, NetOutProtocol::kIcmp);
  EXPECT_EQ(rule.icmps->code, 0);
  EXPECT_EQ(to_json(rule), json);
  EXPECT_THROW(net_out_rule_from_json(json::parse(R"({"protocol":9})")), GardenError);
}

TEST(GardenTypes, ErrorsComeBackAsTheirKind) {
  EXPECT_EQ(
      json::serialize(error_to_json(ContainerNotFoundError("h"))),
      R"({"Type":"ContainerNotFoundError","Message":"unknown handle: h","Handle":"h","ProcessID":"","Binary":""})");
  EXPECT_THROW(throw_error_json(error_to_json(ContainerNotFoundError("h"))), ContainerNotFoundError);
  EXPECT_THROW(throw_error_json(error_to_json(ProcessNotFoundError("p"))), ProcessNotFoundError);
  EXPECT_THROW(throw_error_json(error_to_json(ExecutableNotFoundError("x"))), ExecutableNotFoundError);
  EXPECT_THROW(throw_error_json(error_to_json(UnrecoverableError("x"))), UnrecoverableError);
  try {
    throw_error_json(error_to_json(GardenError("text")));
  } catch (const GardenError& e) {
    EXPECT_STREQ(e.what(), "text");
    EXPECT_EQ(e.type, "");
  }
}

TEST(GardenTypes, InfoAndMetricsSurviveTheWire) {
  ContainerInfo info;
  info.state = "active";
  info.mapped_ports = {{61001, 8080}};
  info.properties = {{"a", "b"}};
  EXPECT_EQ(
      text(info),
      R"({"State":"active","Events":null,"HostIP":"","ContainerIP":"","ContainerIPv6":"","ExternalIP":"","ContainerPath":"",)"
      R"("ProcessIDs":null,"Properties":{"a":"b"},"MappedPorts":[{"HostPort":61001,"ContainerPort":8080}]})");
  EXPECT_EQ(container_info_from_json(to_json(info)).mapped_ports, info.mapped_ports);
  ContainerMetrics metrics;
  metrics.memory["rss"] = 9223372036854771712ull;
  metrics.network = NetworkStat{1, 2};
  metrics.cpu_entitlement = ~0ull;
  const auto again = container_metrics_from_json(to_json(metrics));
  EXPECT_EQ(again.memory.at("rss"), 9223372036854771712ull);
  EXPECT_EQ(again.network->tx_bytes, 2u);
  EXPECT_EQ(again.cpu_entitlement, ~0ull);
  EXPECT_FALSE(container_metrics_from_json(to_json(ContainerMetrics())).network.has_value());
}

}  // namespace
}  // namespace rivera::clients::garden
