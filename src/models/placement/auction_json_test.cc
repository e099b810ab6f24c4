#include "models/placement/auction_json.h"

#include <fstream>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "base/testing/places.h"
#include "models/placement/cell_state.h"

namespace rivera::models {
namespace {

namespace json = boost::json;

struct Exchange {
  std::string server, method, path, request, response;
};

std::string body_of(const json::value& message) {
  const auto* text = message.as_object().if_contains("text");
  return text ? std::string(text->as_string()) : "";
}

// The recorded exchanges with one of upstream's servers.
std::vector<Exchange> recorded(std::string_view server) {
  std::ifstream file(base::source_dir() + "/tests/golden/conversations.jsonl");
  std::vector<Exchange> exchanges;
  for (std::string line; std::getline(file, line);) {
    const auto value = json::parse(line);
    const auto text = [&value](const char* key) { return std::string(value.at(key).as_string()); };
    if (text("server") != server) continue;
    exchanges.push_back(
        {text("server"), text("method"), text("path"), body_of(value.at("request")), body_of(value.at("response"))});
  }
  return exchanges;
}

TEST(RecordedConversations, WithTheAuctioneerDecodeAndEncodeToTheSameBytes) {
  int seen = 0;
  for (const auto& exchange : recorded("auctioneer")) {
    SCOPED_TRACE(exchange.path);
    ++seen;
    if (exchange.path == "/v1/lrps") {
      const auto requests = parse_lrp_start_requests(exchange.request);
      ASSERT_EQ(requests.size(), 1u);
      EXPECT_EQ(problem_of(requests[0]), std::nullopt);
      EXPECT_EQ(to_json(requests), exchange.request);
    } else {
      ASSERT_EQ(exchange.path, "/v1/tasks");
      const auto requests = parse_task_start_requests(exchange.request);
      ASSERT_EQ(requests.size(), 1u);
      EXPECT_EQ(problem_of(requests[0]), std::nullopt);
      EXPECT_EQ(to_json(requests), exchange.request);
    }
  }
  EXPECT_EQ(seen, 6);
}

TEST(RecordedConversations, WithTheRepDecodeAndEncodeToTheSameBytes) {
  int seen = 0;
  for (const auto& exchange : recorded("rep")) {
    SCOPED_TRACE(exchange.path);
    ++seen;
    if (exchange.path == "/state") {
      EXPECT_EQ(to_json(parse_cell_state(exchange.response)) + "\n", exchange.response);
    } else if (exchange.path == "/work") {
      EXPECT_EQ(to_json(parse_work(exchange.request)), exchange.request);
      EXPECT_EQ(to_json(parse_work(exchange.response)) + "\n", exchange.response);
    } else if (exchange.method == "PUT") {
      EXPECT_EQ(to_json(parse_lrp_update(exchange.request)), exchange.request);
    } else {
      EXPECT_EQ(exchange.request, "");
    }
  }
  EXPECT_EQ(seen, 17);
}

TEST(CellStateJson, GivesEveryField) {
  const std::string text =
      R"({"rep_url":"https://c:1801","cell_id":"c","cell_index":3,)"
      R"("RootFSProviders":{"docker":{"type":"arbitrary"},"preloaded":{"set":{"a":{},"b":{}},"type":"fixed_set"}},)"
      R"("AvailableResources":{"MemoryMB":1,"DiskMB":2,"Containers":3},)"
      R"("TotalResources":{"MemoryMB":4,"DiskMB":5,"Containers":6},)"
      R"("LRPs":[{"instance_guid":"i","process_guid":"p","index":7,"domain":"d","PlacementTags":["t"],)"
      R"("VolumeDrivers":null,"RootFs":"docker:///a","MemoryMB":8,"DiskMB":9,"MaxPids":10,"state":"RUNNING"}],)"
      R"("Tasks":[{"TaskGuid":"t","Domain":"d","PlacementTags":[],"VolumeDrivers":["v"],"RootFs":"r","MemoryMB":11,)"
      R"("DiskMB":12,"MaxPids":13,"state":"Completed","failed":true}],)"
      R"("StartingContainerCount":14,"Zone":"z","Evacuating":true,"VolumeDrivers":["x"],"PlacementTags":["y"],)"
      R"("OptionalPlacementTags":null,"ProxyMemoryAllocationMB":15})";
  const auto state = parse_cell_state(text);
  EXPECT_EQ(state.cell_id, "c");
  EXPECT_EQ(state.cell_index, 3);
  EXPECT_EQ(state.available, (CellResources{1, 2, 3}));
  EXPECT_EQ(state.total, (CellResources{4, 5, 6}));
  ASSERT_EQ(state.lrps.size(), 1u);
  EXPECT_EQ(state.lrps[0].identifier(), "p.7");
  EXPECT_EQ(state.lrps[0].resource, (ContainerResource{8, 9, 10}));
  ASSERT_EQ(state.tasks.size(), 1u);
  EXPECT_EQ(state.tasks[0].state, CellTaskState::kCompleted);
  EXPECT_TRUE(state.tasks[0].failed);
  EXPECT_EQ(state.starting_container_count, 14);
  EXPECT_TRUE(state.evacuating);
  EXPECT_EQ(state.proxy_memory_allocation_mb, 15);
  EXPECT_TRUE(provides(state.root_fs_providers, "preloaded:b"));
  EXPECT_EQ(to_json(state), text);
}

TEST(CellStateJson, ReadsWhatGoReads) {
  const auto state = parse_cell_state(R"({"CELL_ID":"c","unknown":[{}],"Zone":null,"lrps":[null],"Tasks":null})");
  EXPECT_EQ(state.cell_id, "c");
  EXPECT_EQ(state.zone, "");
  ASSERT_EQ(state.lrps.size(), 1u);
  EXPECT_EQ(state.lrps[0], CellLRP());
  EXPECT_TRUE(state.tasks.is_null());
  EXPECT_EQ(parse_cell_state("null").cell_id, "");
}

TEST(CellStateJson, RefusesWhatGoRefuses) {
  for (const std::string text :
       {"", "{", "[]", "3", "{} x", R"({"cell_id":3})", R"({"LRPs":{}})", R"({"LRPs":[3]})", R"({"cell_index":1.0})",
        R"({"cell_index":1e3})", R"({"cell_index":99999999999999999999})", R"({"Evacuating":"true"})",
        R"({"TotalResources":{"MemoryMB":2147483648}})", R"({"LRPs":[{"index":-2147483649}]})",
        R"({"Tasks":[{"state":""}]})", R"({"Tasks":[{"state":null}]})", R"({"Tasks":[{"state":1}]})",
        R"({"Tasks":[{"state":"running"}]})", R"({"PlacementTags":"x"})"}) {
    EXPECT_THROW(parse_cell_state(text), JsonError) << text;
  }
}

TEST(CellStateJson, TakesAProviderOfAnUnknownTypeForOneThatMatchesNothing) {
  const auto state = parse_cell_state(R"({"RootFSProviders":{"x":{"type":"new"},"docker":{"type":"arbitrary"}}})");
  EXPECT_FALSE(provides(state.root_fs_providers, "x:y"));
  EXPECT_TRUE(provides(state.root_fs_providers, "docker:///a"));
}

TEST(WorkJson, IgnoresTextAfterTheValueAsUpstreamDoes) {
  EXPECT_EQ(parse_work(R"({"cell_id":"c"} and more)").cell_id, "c");
  EXPECT_THROW(parse_work(R"({"cell_id":"c")"), JsonError);
}

TEST(WorkJson, LeavesOutAnEmptyCellId) { EXPECT_EQ(to_json(Work()), R"({"LRPs":null,"Tasks":null})"); }

TEST(WorkJson, CarriesReasonsForRejectionsOnlyWhereThereAreAny) {
  Work work;
  work.rejection_reasons["p.0"] = "insufficient resources: memory";
  const std::string text = R"({"LRPs":null,"Tasks":null,"rejection_reasons":{"p.0":"insufficient resources: memory"}})";
  EXPECT_EQ(to_json(work), text);
  EXPECT_EQ(parse_work(text), work);
}

TEST(StartRequestJson, TakesNullForAnEmptyList) {
  EXPECT_TRUE(parse_lrp_start_requests("null").empty());
  EXPECT_TRUE(parse_task_start_requests("[]").empty());
}

TEST(StartRequestJson, RefusesAnObjectAndTextAfterTheList) {
  EXPECT_THROW(parse_lrp_start_requests("{}"), JsonError);
  EXPECT_THROW(parse_task_start_requests("[] []"), JsonError);
}

TEST(StartRequestJson, CutsIndicesToThirtyTwoBits) {
  const auto requests = parse_lrp_start_requests(R"([{"indices":[4294967297,-1]}])");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].indices, (NullableList<std::int32_t>{1, -1}));
}

TEST(StartRequest, IsInvalidWithoutWhatPlacementNeeds) {
  LRPStartRequest lrp;
  EXPECT_EQ(problem_of(lrp), "proccess guid is empty");
  lrp.process_guid = "p";
  EXPECT_NE(problem_of(lrp), std::nullopt);
  lrp.domain = "d";
  EXPECT_NE(problem_of(lrp), std::nullopt);
  lrp.indices.push_back(0);
  EXPECT_NE(problem_of(lrp), std::nullopt);
  lrp.placement.root_fs = "preloaded:x";
  EXPECT_EQ(problem_of(lrp), std::nullopt);
  lrp.resource.memory_mb = -1;
  EXPECT_NE(problem_of(lrp), std::nullopt);
  lrp.resource.memory_mb = 0;
  lrp.resource.disk_mb = -1;
  EXPECT_NE(problem_of(lrp), std::nullopt);

  TaskStartRequest task;
  task.task.placement.root_fs = "preloaded:x";
  EXPECT_NE(problem_of(task), std::nullopt);
  task.task.task_guid = "t";
  EXPECT_EQ(problem_of(task), std::nullopt);
}

TEST(LRPUpdateJson, DistinguishesAbsentFromEmpty) {
  LRPUpdate update;
  update.internal_routes.emplace();
  update.metric_tags.emplace();
  const std::string text = to_json(update);
  EXPECT_NE(text.find(R"("internal_routes":[],"metric_tags":{})"), std::string::npos) << text;
  EXPECT_EQ(parse_lrp_update(text), update);
  update.internal_routes = {{"a.internal", "b.internal"}};
  update.metric_tags = {{{"k", "v"}}};
  EXPECT_EQ(parse_lrp_update(to_json(update)), update);
  EXPECT_NE(to_json(update).find(R"([{"hostname":"a.internal"},{"hostname":"b.internal"}])"), std::string::npos);
}

TEST(ContainerMetricsJson, RoundTripsAndLeavesOutUnknownTraffic) {
  ContainerMetricsCollection collection;
  EXPECT_EQ(to_json(collection), R"({"cell_id":"","lrps":[],"tasks":[]})");
  collection.cell_id = "c";
  LRPMetrics lrp{"i", "p", 1, {}};
  lrp.metrics.metric_guid = "m";
  lrp.metrics.cpu_usage_fraction = 0.25;
  lrp.metrics.rx_bytes = 5;
  collection.lrps.push_back(lrp);
  TaskMetrics task{"t", {}};
  task.metrics.cpu_usage_fraction = 1e-9;
  task.metrics.memory_quota_bytes = std::numeric_limits<std::uint64_t>::max();
  collection.tasks.push_back(task);
  EXPECT_EQ(to_json(collection),
            R"({"cell_id":"c","lrps":[{"instance_guid":"i","process_guid":"p","index":1,"metric_guid":"m",)"
            R"("cpu_usage_fraction":0.25,"disk_usage_bytes":0,"disk_quota_bytes":0,"memory_usage_bytes":0,)"
            R"("memory_quota_bytes":0,"rx_bytes":5}],"tasks":[{"task_guid":"t","metric_guid":"",)"
            R"("cpu_usage_fraction":1e-9,"disk_usage_bytes":0,"disk_quota_bytes":0,"memory_usage_bytes":0,)"
            R"("memory_quota_bytes":18446744073709551615}]})");
  EXPECT_EQ(parse_container_metrics(to_json(collection)), collection);
}

TEST(GoJson, EscapesWhatGoEscapes) {
  Work work;
  work.cell_id = "a<b>&\"\\\n\t\x01\xe2\x80\xa8\xc3\xa4";
  const std::string text = to_json(work);
  EXPECT_EQ(
      text,
      "{\"LRPs\":null,\"Tasks\":null,\"cell_id\":\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\t\\u0001\\u2028\xc3\xa4\"}");
  EXPECT_EQ(parse_work(text), work);
}

}  // namespace
}  // namespace rivera::models
