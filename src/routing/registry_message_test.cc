#include "routing/registry_message.h"

#include <fstream>
#include <stdexcept>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/testing/places.h"

namespace rivera::routing {
namespace {

TEST(RegistryMessage, ReadsAndWritesWhatWasRecordedOnTheBus) {
  std::ifstream file(base::source_dir() + "/tests/golden/nats.jsonl");
  std::string line;
  int seen = 0;
  while (std::getline(file, line)) {
    const auto record = boost::json::parse(line).as_object();
    const std::string subject(record.at("subject").as_string());
    if (subject != "router.register" && subject != "router.unregister") continue;
    const std::string payload(record.at("payload").as_string());
    const RegistryMessage message = parse_registry_message(payload);
    EXPECT_EQ(boost::json::parse(to_json(message)), boost::json::parse(payload));
    ++seen;
  }
  EXPECT_GE(seen, 8);
}

TEST(RegistryMessage, MatchesNamesWithoutCaseAndIgnoresUnknownAndNullMembers) {
  const auto m = parse_registry_message(
      R"({"HOST":"10.0.0.1","Port":80,"uris":["a",null],"app":null,"else":[1],"tags":{"a":null}})");
  EXPECT_EQ(m.host, "10.0.0.1");
  EXPECT_EQ(m.port, 80);
  EXPECT_EQ(m.uris, (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(m.app, "");
  EXPECT_EQ(m.tags.at("a"), "");
}

TEST(RegistryMessage, RefusesWrongTypesAndRanges) {
  for (const char* bad : {"",
                          "[]",
                          "null",
                          R"({"host":1})",
                          R"({"port":"80"})",
                          R"({"port":65536})",
                          R"({"port":-1})",
                          R"({"port":1.5})",
                          R"({"uris":"a"})",
                          R"({"uris":[1]})",
                          R"({"tags":[]})",
                          R"({"tags":{"a":1}})",
                          R"({"options":"x"})",
                          R"({"endpoint_updated_at_ns":18446744073709551615})",
                          R"({"route_service_url":"http://rs"})",
                          R"({"host":"x"}trailing)",
                          R"({"app":"a\r\nX: y"})",
                          R"({"private_instance_id":"\u0000"})",
                          R"({"private_instance_index":"\n"})",
                          R"({"server_cert_domain_san":"\u007f"})",
                          R"({"tags":{"a":"\r"}})",
                          R"({"tags":{"\r":"a"}})",
                          R"({"uris":["a/\r\n"]})",
                          R"({"isolation_segment":"\u0001"})",
                          R"({"availability_zone":"\n"})",
                          R"({"protocol":"\n"})",
                          R"({"route_service_url":"https://a\n"})",
                          R"({"host":"a b"})",
                          R"({"host":"a/b"})",
                          R"({"host":"a\r\nb"})",
                          R"({"host":"a:b"})",
                          R"({"host":"a@b"})",
                          R"({"host":"[::1]"})",
                          R"({"host":"::1\u0000"})"}) {
    EXPECT_THROW(parse_registry_message(bad), std::invalid_argument) << bad;
  }
}

TEST(RegistryMessage, AcceptsAddressesAndNamesAsHosts) {
  for (const char* host : {"10.0.0.1", "::1", "2001:db8::1", "a", "a_b.c-d.internal", ""}) {
    EXPECT_EQ(parse_registry_message(std::string(R"({"host":")") + host + R"("})").host, host);
  }
}

TEST(RegistryMessage, FindsTheLoadBalancingOption) {
  EXPECT_EQ(load_balancing_option(""), "");
  EXPECT_EQ(load_balancing_option(R"({"other":1})"), "");
  EXPECT_EQ(load_balancing_option(R"({"loadbalancing":"least-connection"})"), "least-connection");
  EXPECT_THROW(load_balancing_option(R"({"loadbalancing":7})"), std::invalid_argument);
}

}  // namespace
}  // namespace rivera::routing
