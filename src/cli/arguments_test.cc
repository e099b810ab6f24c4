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

TEST(Arguments, AnEmptyValueSwallowsNothing) {
  const auto arguments = Arguments::parse({"--domain=", "-d=", "--index=1", "word"}, kFlags);
  EXPECT_TRUE(arguments.given("domain"));
  EXPECT_EQ(arguments.text("domain"), "");
  EXPECT_EQ(arguments.integer("index"), 1);
  EXPECT_EQ(arguments.positional(), std::vector<std::string>{"word"});
}

TEST(Arguments, RoundsAPartOfASecondUp) {
  const auto seconds = [](const char* text) { return Arguments::parse({"-t", text}, kFlags).seconds("ttl").count(); };
  EXPECT_EQ(seconds("0.5s"), 1) << "0 would mean without end";
  EXPECT_EQ(seconds("1500ms"), 2);
  EXPECT_EQ(seconds("2s"), 2);
  EXPECT_EQ(seconds("0s"), 0);
  EXPECT_EQ(Arguments::parse({}, kFlags).seconds("ttl").count(), 0);
}

TEST(SetDomain, RefusesATtlThatTheMessageCannotHold) {
  const Command* command = find_command("set-domain");
  ASSERT_NE(command, nullptr);
  const auto check = [&](const char* ttl) {
    command->check(Arguments::parse({"cf-apps", "-t", ttl}, command->all_flags()));
  };
  EXPECT_NO_THROW(check("4294967295s"));
  EXPECT_THROW(check("4294967296s"), UsageError);
  EXPECT_THROW(check("-1s"), UsageError);
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
