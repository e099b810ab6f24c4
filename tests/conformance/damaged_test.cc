// Recorded messages, damaged: whatever arrives, reading it ends with a message or a refusal.
#include <random>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "golden.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"
#include "models/validation/validation.h"

namespace rivera::conformance {
namespace {

constexpr int kDamagesPerMessage = 60;

// Flips, removes, doubles or cuts a few bytes.
std::string damaged(std::string bytes, std::mt19937& random) {
  const int damages = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < damages && !bytes.empty(); ++i) {
    const auto at = random() % bytes.size();
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 3);
        break;
      case 2:
        bytes.insert(at, bytes.substr(at, 1 + random() % 8));
        break;
      case 3:
        if (random() % 4 == 0) bytes.resize(at);
        break;
    }
  }
  return bytes;
}

TEST(DamagedMessages, AreReadOrRefused) {
  std::mt19937 random(20240601);
  std::size_t read = 0;
  std::size_t refused = 0;
  for (const auto& line : golden_lines("bbs-models.jsonl")) {
    const std::string name(line.at("message").as_string());
    const auto bytes = base::from_hex(std::string_view(line.at("wire_hex").as_string()));
    for (int i = 0; i < kDamagesPerMessage; ++i) {
      auto message = new_message(name);
      if (!models::decode(damaged(bytes, random), *message)) {
        ++refused;
        continue;
      }
      ++read;
      // What was read can be written, printed and read again.
      auto again = new_message(name);
      ASSERT_TRUE(models::decode(models::encode(*message), *again)) << name;
      EXPECT_EQ(models::to_json_text(*again), models::to_json_text(*message)) << name;
      if (const auto* lrp = dynamic_cast<const models::DesiredLRP*>(message.get())) models::findings(*lrp);
      if (const auto* task = dynamic_cast<const models::TaskDefinition*>(message.get())) models::findings(*task);
    }
  }
  EXPECT_GT(read, 500U);
  EXPECT_GT(refused, 500U);
}

TEST(DamagedJson, IsReadOrRefused) {
  std::mt19937 random(20240602);
  std::size_t read = 0;
  std::size_t refused = 0;
  for (const auto& line : golden_lines("bbs-models.jsonl")) {
    const std::string name(line.at("message").as_string());
    const auto text = boost::json::serialize(line.at("json"));
    for (int i = 0; i < kDamagesPerMessage; ++i) {
      auto message = new_message(name);
      try {
        models::from_json_text(damaged(text, random), *message);
        ++read;
      } catch (const std::invalid_argument&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(read, 500U);
  EXPECT_GT(refused, 500U);
}

}  // namespace
}  // namespace rivera::conformance
