// Root file systems: what a cell provides, by Go's reading of the URL (docs/spec/locket-and-auction.md §3.3).
#include "models/placement/cell_state.h"

#include <gtest/gtest.h>

#include "models/go/go_url.h"

namespace rivera::models {
namespace {

const RootFsProviders kProviders = root_fs_providers({{"cflinuxfs4", "/path"}}, {"docker"});

TEST(RootFs, IsProvidedByTheSchemeAndOpaquePartOfItsUrl) {
  for (const std::string text :
       {"preloaded:cflinuxfs4", "PreLoaded:cflinuxfs4", "preloaded+layer:cflinuxfs4?layer=http://x",
        "preloaded:cflinuxfs4#x", "docker:///a/b#tag", "docker://host:5000/a", "docker:a", "docker://u:p@host/a",
        "docker://[::1]:80/x", "docker://host:/a", "docker:"}) {
    EXPECT_TRUE(provides(kProviders, text)) << text;
  }
}

TEST(RootFs, IsNotProvidedOtherwise) {
  for (const std::string text :
       {"preloaded:other", "preloaded:/cflinuxfs4", "preloaded://cflinuxfs4", "preloaded:", "socker://hello", "",
        "cflinuxfs4", "docker://host:tag/a", "docker:///a%zz", "docker:///a#%zz", "docker://[::1/a",
        "docker://[::1]x/a", "docker://ho st/a", "docker://%41/a", "docker://u^@host/a", "docker://u%z@host/a",
        ":docker", "1docker:x", "docker:\x01"}) {
    EXPECT_FALSE(provides(kProviders, text)) << text;
  }
}

TEST(GoUrl, HasNoSchemeWhereACharacterForbidsIt) {
  ASSERT_TRUE(split_go_url("/a:b").has_value());
  EXPECT_EQ(split_go_url("/a:b")->scheme, "");
  EXPECT_TRUE(split_go_url("a/b:c").has_value());
  EXPECT_FALSE(split_go_url("a_b:c").has_value()) << "a colon in the first segment of a relative path";
  EXPECT_TRUE(split_go_url("///a:b").has_value()) << "three slashes are a path";
  EXPECT_FALSE(split_go_url("//a:b").has_value()) << "two are an authority, with a port";
}

TEST(GoUrl, TakesTheOpaquePartVerbatim) {
  EXPECT_EQ(split_go_url("x:%zz b")->opaque, "%zz b");
  EXPECT_EQ(split_go_url("x:a?b#c")->opaque, "a");
}

TEST(StackPaths, SplitAtTheFirstColon) {
  EXPECT_EQ(parse_stack_paths({"a:/x:y", "b:/z"}), (StackPathMap{{"a", "/x:y"}, {"b", "/z"}}));
}

TEST(StackPaths, NameWhatIsWrong) {
  const auto message = [](std::string entry) {
    try {
      parse_stack_paths({std::move(entry)});
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message("x"), "Invalid preloaded RootFS value: not of the form 'stack-name:path'");
  EXPECT_EQ(message(":x"), "Invalid preloaded RootFS value: blank stack");
  EXPECT_EQ(message("x:"), "Invalid preloaded RootFS value: blank path");
}

}  // namespace
}  // namespace rivera::models
