#include "base/config/config.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/command_line.h"
#include "base/files.h"

namespace rivera::base {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::ElementsAre;

const ConfigKeys& keys() {
  static const ConfigKeys table = {
      text_key("cell_id"),
      text_key("level", "info").one_of({"info", "debug"}),
      flag_key("enabled", true),
      integer_key("count", 3).between(1, 10),
      integer_key("size", 5).between(1, 10).with_zero_as_default(),
      number_key("factor", 0.5),
      duration_key("interval", 30s).positive(),
      seconds_key("keepalive", 10s),
      text_or_number_key("memory_mb", "auto"),
      texts_key("tags", {"a"}),
      text_map_key("labels"),
      section_key("inner", {text_key("name"), duration_key("wait", 1s)}),
      sections_key("hosts", {text_key("hostname"), port_key("port", 4222)}),
      flag_key("old").unused("of no use"),
      text_key("plugin").not_built("there are no plugins"),
      flag_key("proxy").refused("there is no proxy"),
  };
  return table;
}

ConfigFile file_of(const char* text) { return ConfigFile("c.json", json::parse(text).as_object(), keys()); }

std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no failure";
}

std::string failure(const char* text) {
  return failure_of([text] { file_of(text); });
}

std::vector<std::string> notes(const ConfigFile& file) {
  std::vector<std::string> out;
  for (const ConfigNotice& notice : file.notices()) out.push_back(to_text(notice));
  return out;
}

TEST(ConfigFile, HasTheDefaultsOfTheTable) {
  const ConfigFile file = file_of("{}");
  EXPECT_EQ(file.text("cell_id"), "");
  EXPECT_EQ(file.text("level"), "info");
  EXPECT_TRUE(file.flag("enabled"));
  EXPECT_EQ(file.integer("count"), 3);
  EXPECT_EQ(file.number("factor"), 0.5);
  EXPECT_EQ(file.duration("interval"), 30s);
  EXPECT_EQ(file.texts("tags"), std::vector<std::string>{"a"});
  EXPECT_EQ(file.section("inner").duration("wait"), 1s);
  EXPECT_TRUE(file.sections("hosts").empty());
  EXPECT_FALSE(file.has("count"));
}

TEST(ConfigFile, ReadsEveryType) {
  const ConfigFile file = file_of(R"({"cell_id": "c", "enabled": false, "count": 10, "factor": 2, "interval": "1m30s",
      "keepalive": 7, "memory_mb": 512, "tags": ["x", "y"], "labels": {"K": "v"}, "inner": {"wait": 5},
      "hosts": [{"hostname": "h"}]})");
  EXPECT_EQ(file.text("cell_id"), "c");
  EXPECT_FALSE(file.flag("enabled"));
  EXPECT_EQ(file.integer("count"), 10);
  EXPECT_EQ(file.number("factor"), 2);
  EXPECT_EQ(file.duration("interval"), 90s);
  EXPECT_EQ(file.duration("keepalive"), 7s);
  EXPECT_EQ(file.text("memory_mb"), "512");
  EXPECT_EQ(file.texts("tags"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(file.text_map("labels").at("K"), "v");
  EXPECT_EQ(file.section("inner").duration("wait"), 5ns);
  ASSERT_EQ(file.sections("hosts").size(), 1u);
  EXPECT_EQ(file.sections("hosts")[0].integer("port"), 4222);
}

TEST(ConfigFile, MatchesKeysInAnyCaseAsGoDoes) {
  const ConfigFile file = file_of(R"({"Cell_ID": "c", "INNER": {"Name": "n"}, "labels": {"A": "1", "a": "2"}})");
  EXPECT_EQ(file.text("cell_id"), "c");
  EXPECT_EQ(file.section("inner").text("name"), "n");
  EXPECT_EQ(file.text_map("labels").size(), 2u) << "the labels of a map are no keys";
  EXPECT_THAT(notes(file), ElementsAre());
}

TEST(ConfigFile, OfAKeyTwiceTheLastCounts) {
  EXPECT_EQ(file_of(R"({"count": 1, "count": 2})").integer("count"), 2);
  EXPECT_EQ(file_of(R"({"count": 1, "COUNT": 2})").integer("count"), 2);
  EXPECT_EQ(file_of(R"({"COUNT": 1, "count": 2})").integer("count"), 2);
  EXPECT_EQ(notes(file_of(R"({"plugin": "x", "Plugin": ""})")).size(), 0u);
}

TEST(ConfigFile, ASectionInTwoSpellingsIsOne) {
  const ConfigFile file = file_of(R"({"inner": {"name": "a", "wait": "2s"}, "INNER": {"NAME": "b"}})");
  EXPECT_EQ(file.section("inner").text("name"), "b");
  EXPECT_EQ(file.section("inner").duration("wait"), 2s);
}

TEST(ConfigFile, NullLeavesADefaultAndEmptiesAList) {
  const ConfigFile file = file_of(R"({"count": null, "level": null, "inner": null, "tags": null})");
  EXPECT_EQ(file.integer("count"), 3);
  EXPECT_EQ(file.text("level"), "info");
  EXPECT_EQ(file.section("inner").duration("wait"), 1s);
  EXPECT_TRUE(file.texts("tags").empty());
}

TEST(ConfigFile, TakesZeroForTheDefaultWhereTheTableSaysSo) {
  EXPECT_EQ(file_of(R"({"size": 0})").integer("size"), 5);
  EXPECT_EQ(failure(R"({"size": -1})"), "c.json: size: expected a whole number from 1 to 10");
}

TEST(ConfigFile, NamesFileKeyAndWhatWasExpected) {
  EXPECT_EQ(failure(R"({"cell_id": 1})"), "c.json: cell_id: expected a string");
  EXPECT_EQ(failure(R"({"level": "loud"})"), "c.json: level: expected info or debug");
  EXPECT_EQ(failure(R"({"enabled": "true"})"), "c.json: enabled: expected true or false");
  EXPECT_EQ(failure(R"({"count": 11})"), "c.json: count: expected a whole number from 1 to 10");
  EXPECT_EQ(failure(R"({"count": 1.5})"), "c.json: count: expected a whole number from 1 to 10");
  EXPECT_EQ(failure(R"({"interval": "0s"})"), "c.json: interval: expected a duration above zero such as \"30s\"");
  EXPECT_EQ(failure(R"({"interval": "soon"})"), "c.json: interval: expected a duration above zero such as \"30s\"");
  EXPECT_EQ(failure(R"({"interval": 1e30})"), "c.json: interval: expected a duration above zero such as \"30s\"");
  EXPECT_EQ(failure(R"({"tags": ["a", 1]})"), "c.json: tags: expected a list of strings");
  EXPECT_EQ(failure(R"({"inner": {"wait": []}})"), "c.json: inner.wait: expected a duration such as \"30s\"");
  EXPECT_EQ(failure(R"({"hosts": [{}, {"port": 70000}]})"),
            "c.json: hosts[1].port: expected a whole number from 0 to 65535");
  EXPECT_EQ(failure_of([] { file_of("{}").required_text("cell_id"); }),
            "c.json: cell_id: expected a non-empty string (the key is required)");
}

TEST(ConfigFile, ChecksTheKeysThatHaveNoEffectToo) {
  EXPECT_EQ(failure(R"({"old": 1})"), "c.json: old: expected true or false");
}

TEST(ConfigFile, SaysOfEachKeyThatIsSetWhetherItHasNoEffect) {
  const ConfigFile file = file_of(R"({"old": true, "plugin": "p", "unheard_of": {"a": 1}, "inner": {"odd": 1}})");
  EXPECT_THAT(notes(file), ::testing::UnorderedElementsAre(
                               "unheard_of: unknown key, ignored", "old: has no effect: of no use",
                               "plugin: has no effect yet: there are no plugins", "inner.odd: unknown key, ignored"));
  EXPECT_THAT(notes(file_of(R"({"old": false, "plugin": "", "proxy": false})")), ElementsAre());
}

TEST(ConfigFile, RefusesWhatWouldBeUnsafeToIgnore) {
  EXPECT_EQ(failure(R"({"proxy": true})"), "c.json: proxy: expected no such setting, because there is no proxy");
}

TEST(ConfigFile, IsAskedForKeysOfTheTableOnly) {
  EXPECT_THROW(file_of("{}").text("unheard_of"), std::logic_error);
  EXPECT_THROW(file_of("{}").text("count"), std::logic_error);
}

TEST(ConfigFile, SaysWhyAFileCannotBeRead) {
  TemporaryDirectory directory;
  const auto path = (directory.path() / "c.json").string();
  EXPECT_NE(failure_of([&] { ConfigFile::load(path, keys()); }).find(path), std::string::npos);
  EXPECT_EQ(failure_of([] { ConfigFile::load("", keys()); }), "-config: expected the path of the configuration file");
  write_file_atomically(path, "[]");
  EXPECT_EQ(failure_of([&] { ConfigFile::load(path, keys()); }), path + ": expected a JSON object");
  write_file_atomically(path, "{");
  EXPECT_NE(failure_of([&] { ConfigFile::load(path, keys()); }).find("not valid JSON"), std::string::npos);
}

TEST(ConfigFile, TakesTextsForScalarsWhereTheSourceHasNoOthers) {
  const ConfigFile file("c.yml", {{"enabled", "no"}, {"count", "7"}, {"factor", "0.25"}, {"tags", "one"}}, keys(),
                        ConfigSource::kYaml);
  EXPECT_FALSE(file.flag("enabled"));
  EXPECT_EQ(file.integer("count"), 7);
  EXPECT_EQ(file.number("factor"), 0.25);
  EXPECT_EQ(file.texts("tags"), std::vector<std::string>{"one"});
  const ConfigFile other_case("c.yml", {{"COUNT", "7"}}, keys(), ConfigSource::kYaml);
  EXPECT_EQ(other_case.integer("count"), 3) << "YAML's keys match exactly";
}

// Flags.

CommandLine line_of(const std::vector<std::string>& arguments, FlagDialect dialect = FlagDialect::kGo) {
  return parse_command_line(arguments, keys(), dialect);
}

TEST(CommandLine, TakesOneDashForTwoAndValuesInBothForms) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"-cell_id", "c"}, {"--cell_id", "c"}, {"-cell_id=c"}, {"--cell_id=c"}}) {
    EXPECT_EQ(line_of(arguments).values.at("cell_id"), "c") << arguments[0];
  }
}

TEST(CommandLine, AnEmptyValueSwallowsNothing) {
  for (const FlagDialect dialect : {FlagDialect::kGo, FlagDialect::kGoFlags}) {
    const CommandLine line = line_of({"--cell_id=", "--level=debug", "rest"}, dialect);
    EXPECT_EQ(line.values.at("cell_id"), "");
    EXPECT_EQ(line.values.at("level"), "debug");
    EXPECT_THAT(line.positional, ElementsAre("rest"));
    EXPECT_EQ(line_of({"-cell_id", ""}, dialect).values.at("cell_id"), "");
  }
}

TEST(CommandLine, ReadsBooleansWithAndWithoutAValue) {
  const auto enabled = [](const std::vector<std::string>& arguments) {
    return ConfigFile("p", line_of(arguments).values, keys(), ConfigSource::kFlags).flag("enabled");
  };
  EXPECT_TRUE(enabled({"-enabled"}));
  EXPECT_TRUE(enabled({"--enabled=true"}));
  EXPECT_FALSE(enabled({"-enabled=false"}));
  EXPECT_FALSE(enabled({"-enabled=0"}));
  EXPECT_THAT(line_of({"-enabled", "false"}).positional, ElementsAre("false")) << "a flag takes no argument of its own";
  EXPECT_EQ(failure_of([&] { enabled({"--enabled=maybe"}); }), "p: --enabled: expected true or false");
}

TEST(CommandLine, TakesWhatLooksLikeAFlagForAValueAsGoDoesAndGoFlagsDoesNot) {
  EXPECT_EQ(line_of({"-cell_id", "-level"}).values.at("cell_id"), "-level");
  EXPECT_THROW(line_of({"--cell_id", "--level"}, FlagDialect::kGoFlags), CommandLineError);
  EXPECT_EQ(line_of({"--cell_id=--level"}, FlagDialect::kGoFlags).values.at("cell_id"), "--level");
}

TEST(CommandLine, TheLastOfSeveralCountsAndListsGrow) {
  const CommandLine line = line_of({"-cell_id=a", "-tags=x", "-cell_id=b", "-tags", "y"});
  EXPECT_EQ(line.values.at("cell_id"), "b");
  EXPECT_EQ(line.values.at("tags"), (json::array{"x", "y"}));
}

TEST(CommandLine, UnquotesValuesAsGoFlagsDoes) {
  EXPECT_EQ(line_of({R"(--cell_id="a\tb")"}, FlagDialect::kGoFlags).values.at("cell_id"), "a\tb");
  EXPECT_EQ(line_of({R"(--cell_id="a")"}).values.at("cell_id"), R"("a")");
  EXPECT_EQ(line_of({R"(--cell_id="a)"}, FlagDialect::kGoFlags).values.at("cell_id"), R"("a)");
}

TEST(CommandLine, RefusesWhatIsNotThereAndWhatLacksItsValue) {
  EXPECT_THROW(line_of({"-nope"}), CommandLineError);
  EXPECT_THROW(line_of({"--nope=1"}), CommandLineError);
  EXPECT_THROW(line_of({"-cell_id"}), CommandLineError);
  EXPECT_THAT(line_of({"--", "-nope"}).positional, ElementsAre("-nope"));
}

TEST(CommandLine, GivesCli11AnEmptyValueThatItUnderstands) {
  const char* argv[] = {"rivera", "--port-base=", "up", "--set", "a=", "--", "--x="};
  EXPECT_THAT(arguments_for_cli11(7, argv), ElementsAre("--x=", "--", "a=", "--set", "up", "", "--port-base"));
}

// The process ends where a server's command line asks for it.
TEST(ServerArguments, AreReadAsGosFlagPackageDoes) {
  std::string zone;
  const std::vector<ServerOption> more = {{"zone", "the zone", &zone}};
  const char* argv[] = {"rep", "--config=x.json", "-zone=", "-check-config=false"};
  const ServerArguments arguments = parse_server_arguments("rep", "", 4, argv, "config", more);
  EXPECT_EQ(arguments.config_path, "x.json");
  EXPECT_FALSE(arguments.check_config);
  EXPECT_EQ(zone, "");
  const char* wrong[] = {"rep", "-nope"};
  EXPECT_EXIT(parse_server_arguments("rep", "", 2, wrong, "config", more), ::testing::ExitedWithCode(2), "-nope");
  const char* extra[] = {"rep", "x.json"};
  EXPECT_EXIT(parse_server_arguments("rep", "", 2, extra, "config", more), ::testing::ExitedWithCode(2), "x.json");
  const char* help[] = {"rep", "-help"};
  EXPECT_EXIT(parse_server_arguments("rep", "", 2, help, "config", more), ::testing::ExitedWithCode(0), "");
}

TEST(ServerArguments, LetTheRoutersFlagHaveItsShortName) {
  const char* argv[] = {"gorouter", "-c", "x.yml"};
  EXPECT_EQ(parse_server_arguments("gorouter", "", 3, argv, "c").config_path, "x.yml");
  const char* longer[] = {"gorouter", "-config", "y.yml"};
  EXPECT_EQ(parse_server_arguments("gorouter", "", 3, longer, "c").config_path, "y.yml");
  const char* none[] = {"gorouter"};
  EXPECT_EQ(parse_server_arguments("gorouter", "", 1, none, "c").config_path, "");
}

}  // namespace
}  // namespace rivera::base
