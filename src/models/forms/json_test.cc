#include "models/forms/json.h"

#include <gtest/gtest.h>

#include "models/nouns/actual_lrp.h"
#include "models/nouns/task.h"
#include "models/testing/testing.h"

namespace rivera::models {
namespace {

using testing::a_cell;
using testing::a_desired_lrp;
using testing::a_task;
using testing::an_actual_lrp;

TEST(Json, PrintsAnActualLRPFlat) {
  EXPECT_EQ(to_json_text(an_actual_lrp("guid", 1).with_tag("e", 3).build()),
            R"({"process_guid":"guid","index":1,"domain":"domain","instance_guid":"","cell_id":"","address":"",)"
            R"("ports":null,"preferred_address":"UNKNOWN","crash_count":0,"state":"UNCLAIMED","since":1000000000,)"
            R"("modification_tag":{"epoch":"e","index":3},"presence":"ORDINARY",)"
            R"("OptionalRoutable":{"routable":false},"availability_zone":""})");
}

TEST(Json, PrintsRoutableOfAnInfoInItsOwnWay) {
  ActualLRPInfo info;
  EXPECT_TRUE(to_json(info).at("OptionalRoutable").is_null());
  info.set_routable(false);
  EXPECT_EQ(to_json_text(to_json(info).at("OptionalRoutable")), "{}");
  info.set_routable(true);
  EXPECT_EQ(to_json_text(to_json(info).at("OptionalRoutable")), R"({"Routable":true})");
}

TEST(Json, ReadsRoutable) {
  const auto lrp = parse_json<ActualLRP>(R"({"OptionalRoutable":{"routable":true}})");
  EXPECT_EQ(lrp.optional_routable_case(), ActualLRP::kRoutable);
  EXPECT_TRUE(lrp.routable());
  EXPECT_EQ(parse_json<ActualLRP>(R"({"OptionalRoutable":null})").optional_routable_case(),
            ActualLRP::OPTIONAL_ROUTABLE_NOT_SET);
}

TEST(Json, PrintsATaskWithoutDefinitionWithItsOwnMembersOnly) {
  Task task;
  EXPECT_EQ(to_json(task).as_object().begin()->key(), "task_guid");
  EXPECT_EQ(to_json(a_task()).as_object().begin()->key(), "rootfs");
}

TEST(Json, PrintsATaskCallback) {
  EXPECT_EQ(to_json_text(callback_response(a_task("t"))),
            R"({"task_guid":"t","failed":false,"failure_reason":"","result":"","created_at":1000000000})");
}

TEST(Json, PrintsTheAnnotationsOfACellEvenIfThereAreNone) {
  EXPECT_TRUE(to_json(a_cell().build()).at("annotations").is_object());
  EXPECT_EQ(to_json_text(to_json(a_cell().build()).at("rootfs_provider_list")),
            R"([{"name":"preloaded","properties":["cflinuxfs4"]}])");
}

TEST(Json, PrintsMountsWithBothDevices) {
  VolumeMount mount;
  EXPECT_TRUE(to_json(mount).at("shared").is_null());
  EXPECT_TRUE(to_json(mount).at("dedicated").is_null());
}

TEST(Json, EmbedsRoutesAsTheJsonTheyHold) {
  auto lrp =
      a_desired_lrp().with_route("cf-router", R"([{"port": 8080, "weight": 1.50, "n": 1e3}, "\u0041\/<"])").build();
  lrp.clear_metric_tags();
  EXPECT_NE(to_json_text(lrp).find(R"("routes":{"cf-router":[{"port":8080,"weight":1.50,"n":1e3},"\u0041\/\u003c"]},)"),
            std::string::npos)
      << to_json_text(lrp);
}

TEST(Json, PrintsNullForRoutesWithoutEntries) {
  DesiredLRP lrp;
  lrp.mutable_routes();
  EXPECT_NE(to_json_text(lrp).find(R"("routes":null)"), std::string::npos);
  EXPECT_NE(to_json_text(DesiredLRPSchedulingInfo()).find(R"("routes":null)"), std::string::npos);
}

TEST(Json, KeepsTheTextOfRoutesAsItWasWritten) {
  const auto lrp = parse_json<DesiredLRP>(R"({"routes": {"r": [ 1.50,  12345678901234567890123, "\u0041" ]}})");
  EXPECT_EQ(lrp.routes().routes().at("r"), R"([ 1.50,  12345678901234567890123, "\u0041" ])");
}

TEST(Json, TheLastOfSeveralMembersForOneFieldWins) {
  EXPECT_EQ(parse_json<DesiredLRP>(R"({"instances": 1, "Instances": 2, "instances": 3})").instances(), 3);
  EXPECT_EQ(parse_json<DesiredLRP>(R"({"Instances": 3, "instances": 1, "INSTANCES": 2})").instances(), 2);
  EXPECT_EQ(parse_json<DesiredLRP>("{\"in\xc5\xbftances\": 4}").instances(), 4) << "a long s is an s";
}

TEST(Json, SeveralMembersForOneMapAddToIt) {
  const auto lrp = parse_json<DesiredLRP>(
      R"({"metric_tags": {"a": {"static": "1"}, "b": {"static": "1"}, "A": {"static": "x"}},
          "Metric_Tags": {"b": {"static": "2"}, "b": {"static": "3"}}})");
  ASSERT_EQ(lrp.metric_tags_size(), 3) << "keys of a map differ by case";
  EXPECT_EQ(lrp.metric_tags().at("a").static_(), "1");
  EXPECT_EQ(lrp.metric_tags().at("b").static_(), "3");
}

TEST(Json, SeveralMembersForOneSubmessageAddToIt) {
  const auto lrp = parse_json<DesiredLRP>(R"({"network": {"properties": {"a": "1"}}, "Network": {}, "ports": [1],
                                              "Ports": [2]})");
  EXPECT_EQ(lrp.network().properties().at("a"), "1");
  ASSERT_EQ(lrp.ports_size(), 1);
  EXPECT_EQ(lrp.ports(0), 2u);
}

TEST(Json, NullEmptiesWhatIsAPointerOrAList) {
  const auto lrp = parse_json<DesiredLRP>(
      R"({"ports": [1], "Ports": null, "action": {"run": {}}, "Action": null, "instances": 2, "Instances": null})");
  EXPECT_EQ(lrp.ports_size(), 0);
  EXPECT_FALSE(lrp.has_action());
  EXPECT_EQ(lrp.instances(), 2);
}

TEST(Json, EscapesAsGoDoes) {
  Error error;
  error.set_message("<a & b>\n\xff");
  EXPECT_EQ(to_json_text(error),
            "{\"type\":\"UnknownError\",\"message\":\"\\u003ca \\u0026 b\\u003e\\n\xEF\xBF\xBD\"}");
}

TEST(Json, ReadsADesiredLRP) {
  const auto lrp = parse_json<DesiredLRP>(R"({
      "process_guid": "guid", "domain": "d", "rootfs": "preloaded:x", "instances": 2, "ports": [8080],
      "env": [{"name": "A", "value": "1"}, null],
      "action": {"run": {"path": "/bin/app", "user": "vcap", "resource_limits": {"nofile": 0}}},
      "routes": {"cf-router": [{"hostnames": ["a.example.com"], "port": 8080}]},
      "metric_tags": {"source_id": {"static": "guid"}, "instance": {"dynamic": "INDEX"}},
      "placement_tags": ["t"], "update_strategy": 1, "start_timeout_ms": 60000})");
  EXPECT_EQ(lrp.root_fs(), "preloaded:x");
  EXPECT_EQ(lrp.environment_variables_size(), 2);
  EXPECT_EQ(lrp.action().run_action().resource_limits().optional_nofile_case(), ResourceLimits::kNofile);
  EXPECT_EQ(lrp.routes().routes().at("cf-router"), R"([{"hostnames": ["a.example.com"], "port": 8080}])");
  EXPECT_EQ(lrp.metric_tags().at("instance").dynamic(), MetricTagValue::INDEX);
  EXPECT_EQ(lrp.update_strategy(), DesiredLRP::RECREATE);
  EXPECT_EQ(lrp.placement_tags(0), "t");
}

TEST(Json, MatchesNamesWhateverTheirCaseAndIgnoresUnknownOnes) {
  const auto lrp = parse_json<DesiredLRP>(R"({"Process_GUID": "g", "Rootfs": "r", "nonsense": {"x": [1]}})");
  EXPECT_EQ(lrp.process_guid(), "g");
  EXPECT_EQ(lrp.root_fs(), "r");
}

TEST(Json, TakesNullForNothing) {
  const auto update = parse_json<DesiredLRPUpdate>(R"({"instances": null, "routes": null, "annotation": ""})");
  EXPECT_EQ(update.optional_instances_case(), DesiredLRPUpdate::OPTIONAL_INSTANCES_NOT_SET);
  EXPECT_FALSE(update.has_routes());
  EXPECT_EQ(update.optional_annotation_case(), DesiredLRPUpdate::kAnnotation);
}

TEST(Json, DistinguishesAnEmptyRouteMapFromNone) {
  EXPECT_TRUE(parse_json<DesiredLRPUpdate>(R"({"routes": {}})").has_routes());
}

TEST(Json, RefusesWrongTypesNamingTheMember) {
  for (const char* text :
       {R"({"instances": "2"})", R"({"instances": 1.0})", R"({"instances": 3000000000})", R"({"cpu_weight": -1})",
        R"({"process_guid": 1})", R"({"ports": {}})", R"({"routes": []})", R"({"privileged": 1})", R"({"action": []})",
        R"({"metric_tags": {"a": {"dynamic": "X"}}})"}) {
    try {
      parse_json<DesiredLRP>(text);
      ADD_FAILURE() << text;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("expected"), std::string::npos) << error.what();
    }
  }
}

TEST(Json, RefusesWhatIsNoJsonOrNoObject) {
  EXPECT_THROW(parse_json<Task>("{"), std::invalid_argument);
  EXPECT_THROW(parse_json<Task>("[]"), std::invalid_argument);
  EXPECT_THROW(parse_json<Task>(std::string(100000, '[')), std::invalid_argument);
}

TEST(Json, ReadsWhatItPrints) {
  const auto lrp = an_actual_lrp("guid", 2).running_on("cell", "instance").build();
  EXPECT_TRUE(parse_json<ActualLRP>(to_json_text(lrp)) == lrp);
}

}  // namespace
}  // namespace rivera::models
