// Messages and validation in the scenario recorded against upstream's BBS (tests/golden/bbs-scenario*.jsonl,
// upstream-bbs-cfdot.jsonl). What a BBS does with them is tested with the BBS.
#include <map>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "golden.h"
#include "models/errors.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"
#include "models/validation/validation.h"

namespace rivera::conformance {
namespace {

using namespace rivera::models;

// Calls validate() for the message if it is one of these types.
template <typename... Requests>
void validate_one_of(const google::protobuf::Message& message) {
  auto try_one = [&message]<typename Request>(const Request*) {
    if (const auto* request = dynamic_cast<const Request*>(&message)) validate(*request);
  };
  (try_one(static_cast<const Requests*>(nullptr)), ...);
}

// The text of what is wrong with a request; empty if it is valid.
std::string fault_of(const google::protobuf::Message& message) {
  try {
    validate_one_of<UpsertDomainRequest, ActualLRPsRequest, ActualLRPGroupsRequest, ActualLRPGroupsByProcessGuidRequest,
                    ActualLRPGroupByProcessGuidAndIndexRequest, ClaimActualLRPRequest, StartActualLRPRequest,
                    CrashActualLRPRequest, FailActualLRPRequest, RetireActualLRPRequest, RemoveActualLRPRequest,
                    EvacuateClaimedActualLRPRequest, EvacuateRunningActualLRPRequest, EvacuateStoppedActualLRPRequest,
                    EvacuateCrashedActualLRPRequest, RemoveEvacuatingActualLRPRequest, DesiredLRPsRequest,
                    DesiredLRPByProcessGuidRequest, DesireLRPRequest, UpdateDesiredLRPRequest, RemoveDesiredLRPRequest,
                    TasksRequest, TaskByGuidRequest, DesireTaskRequest, StartTaskRequest, TaskGuidRequest,
                    FailTaskRequest, RejectTaskRequest, CompleteTaskRequest>(message);
    return "";
  } catch (const ModelError& error) {
    return error.message();
  }
}

std::string text_at(const boost::json::object& line, std::string_view key) {
  const auto* value = line.if_contains(key);
  return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
}

// The validation message that upstream answered; empty if it had no objection to the request's content.
std::string recorded_fault(const boost::json::object& line) {
  const auto* response = line.if_contains("response");
  if (response == nullptr || !response->is_object()) return "";
  const auto* error = response->get_object().if_contains("error");
  if (error == nullptr || error->at("type").as_string() != "InvalidRequest") return "";
  const std::string message(error->at("message").as_string());
  return message == bad_request().message() ? "" : message;
}

TEST(BbsScenario, HasRequestsWhoseFaultsAreFoundInTheSameWords) {
  std::size_t faults = 0;
  for (const auto& line : golden_lines("bbs-scenario.jsonl")) {
    const auto name = text_at(line, "request_message");
    if (name.empty() || text_at(line, "response_message").empty()) continue;
    auto request = new_message(name);
    ASSERT_TRUE(decode(base::from_hex(text_at(line, "request_hex")), *request)) << text_at(line, "step");
    auto expected = recorded_fault(line);
    if (expected == "Invalid field: cpu_weight") expected = "";  // v2.80.0 only (docs/spec/bbs.md §4.1)
    faults += expected.empty() ? 0 : 1;
    EXPECT_EQ(fault_of(*request), expected) << text_at(line, "step");
  }
  EXPECT_GT(faults, 25U);
}

TEST(BbsScenario, HasMessagesThatReadAndWriteUnchanged) {
  for (const auto& line : golden_lines("bbs-scenario.jsonl")) {
    for (const std::string kind : {"request", "response"}) {
      const auto name = text_at(line, kind + "_message");
      if (name.empty()) continue;
      const auto bytes = base::from_hex(text_at(line, kind + "_hex"));
      auto message = new_message(name);
      ASSERT_TRUE(decode(bytes, *message)) << text_at(line, "step");
      EXPECT_TRUE(same_bytes_but_for_maps(bytes, *message)) << text_at(line, "step") << " " << kind;
      const auto ours = without_newer_members(to_json(*message), line.at(kind));
      EXPECT_EQ(ours, line.at(kind)) << text_at(line, "step") << " " << kind;
    }
  }
}

TEST(BbsScenario, HasEventsThatReadAndWriteUnchanged) {
  for (const auto& line : golden_lines("bbs-scenario-events.jsonl")) {
    const auto bytes = base::from_base64(text_at(line, "data"));
    auto message = new_message(text_at(line, "message"));
    ASSERT_TRUE(decode(bytes, *message)) << text_at(line, "message");
    EXPECT_TRUE(same_bytes_but_for_maps(bytes, *message)) << to_json_text(*message);
    EXPECT_EQ(without_newer_members(to_json(*message), line.at("decoded")), line.at("decoded"));
  }
}

// What the operator CLI printed can be read, and prints the same again.
TEST(UpstreamCfdot, PrintsRecordsAsWeDo) {
  const std::map<std::string, std::string> message_of = {{"desired-lrps", "DesiredLRP"},
                                                         {"actual-lrps", "ActualLRP"},
                                                         {"tasks", "Task"},
                                                         {"desired-lrp-scheduling-infos", "DesiredLRPSchedulingInfo"}};
  std::size_t records = 0;
  for (const auto& line : golden_lines("upstream-bbs-cfdot.jsonl")) {
    const auto name = message_of.find(text_at(line, "cfdot"));
    if (name == message_of.end()) continue;
    auto message = new_message(name->second);
    from_json_text(boost::json::serialize(line.at("line")), *message);
    EXPECT_EQ(without_newer_members(to_json(*message), line.at("line")), line.at("line"));
    ++records;
  }
  EXPECT_GE(records, 20U);
}

}  // namespace
}  // namespace rivera::conformance
