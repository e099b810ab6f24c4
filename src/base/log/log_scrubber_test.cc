#include "base/log/log_scrubber.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/log/log_settings.h"

namespace rivera::base {
namespace {

namespace json = boost::json;

class LogScrubbingTest : public testing::Test {
 protected:
  ~LogScrubbingTest() override { set_log_scrubbing({}); }

  static json::object scrubbed(json::object data) {
    scrub_log_data(data);
    return data;
  }
};

const std::string kRedacted = "*REDACTED*";

TEST_F(LogScrubbingTest, LeavesEverythingAsItIsUnlessAskedTo) {
  EXPECT_EQ(scrubbed({{"password", "secret"}}), (json::object{{"password", "secret"}}));
}

TEST_F(LogScrubbingTest, CutsLongTextsAtAnyDepthAndSaysSo) {
  set_log_scrubbing({.longest_text = 20, .redacts_secrets = false, .redact_patterns = {}});
  const json::object data = {{"a", json::array{json::object{{"b", "more than twenty bytes"}}, "exactly twenty bytes"}}};
  const json::object cut = {{"a", json::array{json::object{{"b", "more tha-(truncated)"}}, "exactly twenty bytes"}}};
  EXPECT_EQ(scrubbed(data), cut);
}

TEST_F(LogScrubbingTest, CutsBetweenTwoCharacters) {
  set_log_scrubbing({.longest_text = 14, .redacts_secrets = false, .redact_patterns = {}});
  EXPECT_EQ(scrubbed({{"a", "x\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"}}),
            (json::object{{"a", "x-(truncated)"}}));
}

TEST_F(LogScrubbingTest, HidesWhatLooksLikeAPasswordByItsKey) {
  set_log_scrubbing({.longest_text = 0, .redacts_secrets = true, .redact_patterns = {}});
  const json::object data = {{"Password", "x"}, {"deep", json::object{{"db_pwd", 1}}}, {"user", "u"}};
  const json::object hidden = {{"Password", kRedacted}, {"deep", json::object{{"db_pwd", kRedacted}}}, {"user", "u"}};
  EXPECT_EQ(scrubbed(data), hidden);
}

TEST_F(LogScrubbingTest, HidesTextsThatHoldASecret) {
  set_log_scrubbing({.longest_text = 0, .redacts_secrets = true, .redact_patterns = {}});
  const json::object data = {
      {"a", "key AKIAIOSFODNN7EXAMPLE here"}, {"b", "-----BEGIN RSA PRIVATE KEY-----"}, {"c", "c"}};
  EXPECT_EQ(scrubbed(data), (json::object{{"a", kRedacted}, {"b", kRedacted}, {"c", "c"}}));
}

TEST_F(LogScrubbingTest, HidesWhatTheOperatorsPatternsFind) {
  set_log_scrubbing({.longest_text = 0, .redacts_secrets = true, .redact_patterns = {"card-[0-9]{4}"}});
  EXPECT_EQ(scrubbed({{"a", "card-1234"}, {"b", "card-12"}}), (json::object{{"a", kRedacted}, {"b", "card-12"}}));
}

TEST_F(LogScrubbingTest, LogsNoMoreOfATextThanItHasSearched) {
  set_log_scrubbing({.longest_text = 0, .redacts_secrets = true, .redact_patterns = {"secret"}});
  const json::object data = scrubbed({{"a", std::string(100'000, 'x') + "secret"}});
  EXPECT_EQ(data.at("a").as_string().find("secret"), json::string::npos);
}

ConfigFile file_with(json::object values) { return ConfigFile("file", std::move(values), log_keys()); }

TEST(LogSettings, HaveUpstreamsDefaults) {
  const LogSettings settings = read_log_settings(file_with({}));
  EXPECT_EQ(settings.level, LogLevel::kInfo);
  EXPECT_EQ(settings.time_format, LogTimeFormat::kUnixEpoch);
  EXPECT_EQ(settings.scrubbing.longest_text, 640U);
  EXPECT_FALSE(settings.scrubbing.redacts_secrets);
}

TEST(LogSettings, AreReadUnderUpstreamsKeys) {
  const LogSettings settings = read_log_settings(file_with({{"log_level", "debug"},
                                                            {"time_format", "rfc3339"},
                                                            {"max_data_string_length", 0},
                                                            {"redact_secrets", true},
                                                            {"redact_patterns", json::array{"a+"}}}));
  EXPECT_EQ(settings.level, LogLevel::kDebug);
  EXPECT_EQ(settings.time_format, LogTimeFormat::kRfc3339);
  EXPECT_EQ(settings.scrubbing.longest_text, 0U);
  EXPECT_TRUE(settings.scrubbing.redacts_secrets);
  EXPECT_EQ(settings.scrubbing.redact_patterns, std::vector<std::string>{"a+"});
}

TEST(LogSettings, AWrongValueIsNamedWithItsKey) {
  const json::object wrong = {{"log_level", "loud"},
                              {"time_format", "roman"},
                              {"max_data_string_length", -1},
                              {"redact_secrets", "yes"},
                              {"redact_patterns", json::array{"("}}};
  for (const auto& member : wrong) {
    const std::string key(member.key());
    try {
      read_log_settings(file_with({{key, member.value()}}));
      ADD_FAILURE() << key << " should have been refused";
    } catch (const ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find(key), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace rivera::base
