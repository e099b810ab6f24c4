// Every message of the BBS as upstream's v2.80.0 wrote it: bytes and JSON (tests/golden/bbs-models.jsonl).
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "golden.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"

namespace rivera::conformance {
namespace {

struct Recording {
  std::string name;
  std::string bytes;
  boost::json::value json;
};

std::vector<Recording> recordings() {
  std::vector<Recording> result;
  for (const auto& line : golden_lines("bbs-models.jsonl")) {
    result.push_back({std::string(line.at("message").as_string()),
                      base::from_hex(std::string_view(line.at("wire_hex").as_string())), line.at("json")});
  }
  return result;
}

std::string text(const boost::json::value& value) { return boost::json::serialize(value); }

TEST(BbsModels, AreRecordedForMostMessages) { EXPECT_GT(recordings().size(), 100U); }

TEST(BbsModels, DecodeToTheRecordedValues) {
  for (const auto& recorded : recordings()) {
    auto message = new_message(recorded.name);
    ASSERT_TRUE(models::decode(recorded.bytes, *message)) << recorded.name;
    const auto ours = without_newer_members(models::to_json(*message), recorded.json);
    EXPECT_EQ(ours, recorded.json) << recorded.name << "\nours:     " << text(ours)
                                   << "\nrecorded: " << text(recorded.json);
  }
}

TEST(BbsModels, EncodeToTheRecordedBytes) {
  for (const auto& recorded : recordings()) {
    auto message = new_message(recorded.name);
    ASSERT_TRUE(models::decode(recorded.bytes, *message)) << recorded.name;
    EXPECT_EQ(base::to_hex(models::encode(*message)), base::to_hex(recorded.bytes)) << recorded.name;
  }
}

TEST(BbsModels, AreReadFromTheirJson) {
  for (const auto& recorded : recordings()) {
    auto message = new_message(recorded.name);
    try {
      models::from_json_text(text(recorded.json), *message);
    } catch (const std::exception& error) {
      ADD_FAILURE() << recorded.name << ": " << error.what();
      continue;
    }
    EXPECT_EQ(base::to_hex(models::encode(*message)), base::to_hex(recorded.bytes)) << recorded.name;
  }
}

TEST(BbsModels, PrintTheirMembersInTheRecordedOrder) {
  for (const auto& recorded : recordings()) {
    auto message = new_message(recorded.name);
    ASSERT_TRUE(models::decode(recorded.bytes, *message)) << recorded.name;
    const auto ours = without_newer_members(models::to_json(*message), recorded.json);
    EXPECT_EQ(text(ours), text(recorded.json)) << recorded.name;
  }
}

}  // namespace
}  // namespace rivera::conformance
