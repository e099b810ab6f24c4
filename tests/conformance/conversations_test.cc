// The BBS's part of recorded conversations between real components (tests/golden/conversations.jsonl).
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "golden.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"

namespace rivera::conformance {
namespace {

std::vector<boost::json::object> bbs_calls() {
  std::vector<boost::json::object> calls;
  for (auto& line : golden_lines("conversations.jsonl")) {
    if (line.at("server").as_string() == "bbs" && line.at("method").as_string() == "POST") calls.push_back(line);
  }
  return calls;
}

void expect_round_trip(const std::string& message_name, const std::string& bytes, const std::string& where) {
  auto message = new_message(message_name);
  ASSERT_TRUE(models::decode(bytes, *message)) << where;
  EXPECT_TRUE(same_bytes_but_for_maps(bytes, *message)) << where << "\n" << models::to_json_text(*message);
}

TEST(BbsConversations, AreRecorded) { EXPECT_GT(bbs_calls().size(), 90U); }

TEST(BbsConversations, HaveRequestsThatReadAndWriteUnchanged) {
  for (const auto& call : bbs_calls()) {
    const std::string path(call.at("path").as_string());
    const auto messages = messages_of(path);
    ASSERT_TRUE(messages) << path;
    expect_round_trip(messages->request, body_of(call.at("request")), path);
  }
}

TEST(BbsConversations, HaveResponsesThatReadAndWriteUnchanged) {
  for (const auto& call : bbs_calls()) {
    const std::string path(call.at("path").as_string());
    expect_round_trip(messages_of(path)->response, body_of(call.at("response")), path);
  }
}

// "event: NAME" and "data: BASE64" lines of the recorded stream.
TEST(BbsConversations, HaveAnEventStreamThatReadsAndWritesUnchanged) {
  const std::map<std::string, std::string> message_of = {
      {"desired_lrp_created", "DesiredLRPCreatedEvent"}, {"desired_lrp_changed", "DesiredLRPChangedEvent"},
      {"desired_lrp_removed", "DesiredLRPRemovedEvent"}, {"actual_lrp_created", "ActualLRPCreatedEvent"},
      {"actual_lrp_changed", "ActualLRPChangedEvent"},   {"actual_lrp_removed", "ActualLRPRemovedEvent"},
      {"actual_lrp_crashed", "ActualLRPCrashedEvent"}};
  std::size_t events = 0;
  for (const auto& line : golden_lines("conversations.jsonl")) {
    if (line.at("path").as_string() != "/v1/events.r1") continue;
    std::istringstream stream(body_of(line.at("response")));
    std::string name;
    for (std::string text; std::getline(stream, text);) {
      if (text.starts_with("event: ")) name = text.substr(7);
      if (!text.starts_with("data: ")) continue;
      ++events;
      expect_round_trip(message_of.at(name), base::from_base64(text.substr(6)), name);
    }
  }
  EXPECT_GT(events, 3U);
}

}  // namespace
}  // namespace rivera::conformance
