// What an operator sees: ./run status, ./run logs, cfdot.
#include <filesystem>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/places.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"
#include "models/forms/json.h"

namespace rivera::harness {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

class Tools : public ::testing::Test {
 protected:
  // The output of cfdot, which must succeed.
  std::string cfdot(std::vector<std::string> arguments) {
    const auto result = cluster_.cfdot(std::move(arguments));
    EXPECT_EQ(result.exit_status, 0) << result.error;
    return result.output;
  }

  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const std::string guid_ = unique_guid("tools");
};

std::vector<json::value> lines_of(const std::string& output) {
  std::vector<json::value> out;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
  return out;
}

// What ./run writes, its components take without a notice.
TEST_F(Tools, TheClustersOwnConfigurationIsTakenWithoutNotices) {
  int logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cluster_.settings().log_dir())) {
    if (entry.path().extension() != ".log") continue;
    ++logs;
    EXPECT_THAT(base::read_file(entry.path()), ::testing::Not(HasSubstr(".configuration."))) << entry.path();
  }
  EXPECT_GE(logs, 9);
}

TEST_F(Tools, WhatIsWrongWithACommandLineIsSaidWithStatus2) {
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"logs", "bbs", "-n", "abc"}, "expected a number of lines, not \"abc\""},
      {{"logs"}, "name"},
      {{"no-such-command"}, ""},
  };
  for (const auto& [arguments, message] : wrong) {
    const auto result = cluster_.run_tool(arguments);
    EXPECT_EQ(result.exit_status, 2) << result.error;
    EXPECT_THAT(result.error + result.output, HasSubstr(message));
  }
}

TEST_F(Tools, StatusIsOneJsonObjectWithEverything) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  run_task(cluster_, guid_ + "-task", a_task(cluster_, guid_, "echo fine > /tmp/result"));

  const auto result = cluster_.run_tool({"status", "--json"});
  ASSERT_EQ(result.exit_status, 0) << result.error;
  const json::value status = json::parse(result.output);
  EXPECT_EQ(status.at("components").as_array().size(), 9u);
  for (const json::value& component : status.at("components").as_array()) {
    EXPECT_TRUE(component.at("healthy").as_bool()) << json::serialize(component);
    EXPECT_GT(component.at("pid").as_int64(), 1);
    EXPECT_FALSE(component.at("address").as_string().empty());
  }
  ASSERT_EQ(status.at("cells").as_array().size(), 1u);
  EXPECT_EQ(status.at("cells").at(0).at("cell_id").as_string(), cluster_.settings().cell_id);
  bool seen_app = false;
  for (const json::value& candidate : status.at("applications").as_array()) {
    if (candidate.at("process_guid").as_string() != guid_) continue;
    seen_app = true;
    EXPECT_EQ(candidate.at("running_instances").as_int64(), 2);
    EXPECT_EQ(candidate.at("desired_instances").as_int64(), 2);
    EXPECT_EQ(candidate.at("url").as_string(), cluster_.settings().app_url(app.hostname()));
  }
  EXPECT_TRUE(seen_app);
  EXPECT_THAT(result.output, HasSubstr(guid_ + "-task"));
}

TEST_F(Tools, StatusPrintsTables) {
  const auto result = cluster_.run_tool({"status"});
  EXPECT_EQ(result.exit_status, 0) << result.error;
  for (const char* name : {"nats", "locket", "bbs", "auctioneer", "garden", "rep", "file-server", "gorouter",
                           "route-emitter", "COMPONENT", "CELL"}) {
    EXPECT_THAT(result.output, HasSubstr(name));
  }
}

TEST_F(Tools, LogsShowWhatAnApplicationPrints) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 1));
  ASSERT_TRUE(eventually([&] { return app.running() == 1; }));
  EXPECT_TRUE(eventually([&] {
    return cluster_.run_tool({"logs", guid_}).output.find("web app 0 starts") != std::string::npos;
  }));
}

TEST_F(Tools, LogsShowWhatATaskPrints) {
  run_task(cluster_, guid_, a_task(cluster_, guid_, "echo to stdout; echo to stderr >&2; echo x > /tmp/result"));
  EXPECT_TRUE(eventually([&] {
    const std::string output = cluster_.run_tool({"logs", guid_}).output;
    return output.find("OUT to stdout") != std::string::npos && output.find("ERR to stderr") != std::string::npos;
  }));
}

TEST_F(Tools, LogsShowWhatAComponentPrints) {
  EXPECT_THAT(cluster_.run_tool({"logs", "bbs"}).output, HasSubstr("bbs.started"));
}

TEST_F(Tools, LogsOfSomethingUnknownSayWhatThereIs) {
  const auto result = cluster_.run_tool({"logs", "../cluster.json"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("nothing is logged for"));
  EXPECT_THAT(result.error, HasSubstr("route-emitter"));
}

TEST_F(Tools, CfdotListsCellsAndTheirStates) {
  const auto cells = lines_of(cfdot({"cells"}));
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].at("cell_id").as_string(), cluster_.settings().cell_id);
  const auto states = lines_of(cfdot({"cell-states"}));
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].at("TotalResources").at("MemoryMB").as_int64(), 2048);
}

TEST_F(Tools, CfdotListsLocksAndPresences) {
  const std::string locks = cfdot({"locks"});
  EXPECT_THAT(locks, HasSubstr(R"({"key":"bbs","owner":"bbs-1","type":"lock","type_code":1})"));
  EXPECT_THAT(locks, HasSubstr(R"("key":"auctioneer")"));
  const auto presences = lines_of(cfdot({"presences"}));
  ASSERT_EQ(presences.size(), 1u);
  EXPECT_EQ(presences[0].at("key").as_string(), cluster_.settings().cell_id);
}

TEST_F(Tools, CfdotCreatesUpdatesAndDeletesAProcess) {
  const models::DesiredLRP lrp = a_process(cluster_, guid_, "sleep 1000");
  cfdot({"set-domain", "acceptance"});
  EXPECT_THAT(cfdot({"domains"}), HasSubstr("\"acceptance\"\n"));
  cfdot({"create-desired-lrp", models::to_json_text(lrp)});
  ASSERT_TRUE(eventually([&] { return cfdot({"actual-lrps", "-p", guid_}).find("RUNNING") != std::string::npos; }));
  cfdot({"update-desired-lrp", guid_, R"({"instances":2})"});
  EXPECT_TRUE(eventually([&] { return lines_of(cfdot({"actual-lrps", "-p", guid_})).size() == 2; }));
  EXPECT_EQ(lines_of(cfdot({"actual-lrps", "-p", guid_, "-i", "1"})).size(), 1u);
  EXPECT_EQ(lines_of(cfdot({"desired-lrp", guid_})).at(0).at("instances").as_int64(), 2);
  EXPECT_THAT(cfdot({"desired-lrps", "-d", "acceptance"}), HasSubstr(guid_));
  cfdot({"delete-desired-lrp", guid_});
  EXPECT_TRUE(eventually([&] { return cfdot({"actual-lrps", "-p", guid_}).empty(); }));
  const auto gone = cluster_.cfdot({"desired-lrp", guid_});
  EXPECT_EQ(gone.exit_status, 4);
  EXPECT_THAT(gone.error, HasSubstr("Error: BBS error\nType 13: ResourceNotFound\nMessage: "));
}

TEST_F(Tools, CfdotCreatesAndDeletesATask) {
  models::Task task;
  task.set_task_guid(guid_);
  task.set_domain("acceptance");
  *task.mutable_task_definition() = a_task(cluster_, guid_, "echo by cfdot > /tmp/result");
  cfdot({"create-task", models::to_json_text(task)});
  ASSERT_TRUE(eventually([&] { return cfdot({"task", guid_}).find(R"("state":"Completed")") != std::string::npos; }));
  EXPECT_EQ(lines_of(cfdot({"task", guid_})).at(0).at("result").as_string(), "by cfdot\n");
  EXPECT_THAT(cfdot({"tasks"}), HasSubstr(guid_));
  cfdot({"delete-task", guid_});
  EXPECT_EQ(cluster_.cfdot({"task", guid_}).exit_status, 4);
}

TEST_F(Tools, CfdotSaysWhatIsWrongWithACommandLine) {
  const auto unknown = cluster_.cfdot({"no-such-command"});
  EXPECT_EQ(unknown.exit_status, 255);
  EXPECT_EQ(unknown.error, "Error: unknown command \"no-such-command\" for \"cfdot\"\nRun 'cfdot --help' for usage.\n");
  const auto missing = cluster_.cfdot({"desired-lrp"});
  EXPECT_EQ(missing.exit_status, 3);
  EXPECT_THAT(missing.error, HasSubstr("Error: Missing arguments\n"));
  const auto bad_json = cluster_.cfdot({"create-task", "{"});
  EXPECT_EQ(bad_json.exit_status, 3);
  EXPECT_THAT(bad_json.error, HasSubstr("Error: Invalid JSON: "));
  const auto unreachable = cluster_.cfdot({"--bbsURL", "https://127.0.0.1:1", "domains"});
  EXPECT_EQ(unreachable.exit_status, 5);
}

TEST_F(Tools, CfdotFollowsEvents) {
  // The stream is cut off by a limit; what happened until then is printed.
  const RunningApp app(cluster_, a_process(cluster_, guid_, "sleep 1; exit 1"));
  const auto tls = [&](const char* file) { return (cluster_.settings().certs_dir() / file).string(); };
  const auto result = base::run_command({"timeout", "5", base::bin_dir() + "/cfdot", "lrp-events", "-x", "--bbsURL",
                                         cluster_.settings().bbs_url(), "--caCertFile", tls("ca.crt"),
                                         "--clientCertFile", tls("client.crt"), "--clientKeyFile", tls("client.key")});
  EXPECT_EQ(result.exit_status, 124) << result.error;
  bool crashed = false;
  for (const json::value& event : lines_of(result.output)) {
    crashed = crashed || (event.at("type").as_string() == "actual_lrp_crashed" &&
                          event.at("data").at("process_guid").as_string() == guid_);
  }
  EXPECT_TRUE(crashed) << result.output;
}

}  // namespace
}  // namespace rivera::harness
