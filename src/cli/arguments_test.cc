#include "cli/arguments.h"

#include <gtest/gtest.h>

#include "cli/command.h"

namespace rivera::cli {
namespace {

const std::vector<Flag> kFlags{{"domain", 'd', FlagType::kText, ""},
                               {"index", 'i', FlagType::kInteger32, ""},
                               {"ttl", 't', FlagType::kDuration, ""},
                               {"skipCertVerify", 0, FlagType::kBoolean, ""}};

std::string complaint(const std::vector<std::string>& words) {
  try {
    Arguments::parse(words, kFlags);
    return "";
  } catch (const UsageError& e) {
    return e.what();
  }
}

TEST(Arguments, TakesFlagsAnywhereAndInEverySpelling) {
  const auto arguments = Arguments::parse({"a", "-d", "one", "--index=3", "b", "-t5s"}, kFlags);
  EXPECT_EQ(arguments.positional(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(arguments.text("domain"), "one");
  EXPECT_EQ(arguments.integer("index"), 3);
  EXPECT_EQ(arguments.text("ttl"), "5s");
  EXPECT_FALSE(arguments.given("skipCertVerify"));
}

TEST(Arguments, EverythingAfterTwoDashesIsPositional) {
  const auto arguments = Arguments::parse({"--", "-d", "--nope"}, kFlags);
  EXPECT_EQ(arguments.positional(), (std::vector<std::string>{"-d", "--nope"}));
}

TEST(Arguments, ABooleanTakesNoNextWord) {
  const auto arguments = Arguments::parse({"--skipCertVerify", "false"}, kFlags);
  EXPECT_TRUE(arguments.boolean("skipCertVerify"));
  EXPECT_EQ(arguments.positional().size(), 1u);
  EXPECT_FALSE(Arguments::parse({"--skipCertVerify=false"}, kFlags).boolean("skipCertVerify"));
}

TEST(Arguments, ComplainsInUpstreamsWords) {
  EXPECT_EQ(complaint({"--nope"}), "unknown flag: --nope");
  EXPECT_EQ(complaint({"-x"}), "unknown shorthand flag: 'x' in -x");
  EXPECT_EQ(complaint({"--domain"}), "flag needs an argument: --domain");
  EXPECT_EQ(complaint({"-t", "abc"}),
            "invalid argument \"abc\" for \"-t, --ttl\" flag: time: invalid duration \"abc\"");
  EXPECT_NE(complaint({"-i", "99999999999"}).find("value out of range"), std::string::npos);
}

TEST(FindCommand, SkipsAFlagAndTheWordItSwallows) {
  EXPECT_EQ(find_command(std::vector<std::string>{"--bbsURL", "https://x", "cells"}), 2u);
  EXPECT_EQ(find_command(std::vector<std::string>{"--bbsURL=https://x", "cells"}), 1u);
  // Upstream's quirk: a boolean before the command swallows it.
  EXPECT_EQ(find_command(std::vector<std::string>{"--skipCertVerify", "cells"}), 2u);
}

TEST(Commands, AreSortedAndHaveTheNamesOperatorsKnow) {
  const auto& all = all_commands();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name() < b.name(); }));
  for (const char* name : {"cells", "cell-states", "domains", "tasks", "task", "create-task", "delete-task",
                           "cancel-task", "desired-lrps", "desired-lrp", "create-desired-lrp", "update-desired-lrp",
                           "delete-desired-lrp", "actual-lrps", "lrp-events", "task-events", "locks", "presences"}) {
    EXPECT_NE(find_command(std::string_view(name)), nullptr) << name;
  }
}

}  // namespace
}  // namespace rivera::cli
