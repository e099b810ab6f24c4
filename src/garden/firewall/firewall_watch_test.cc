// The kernel's notifications of changes to the tables.
#include "garden/firewall/firewall_watch.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/firewall/nftables.h"
#include "garden/testing/isolated_network.h"

namespace rivera::garden {
namespace {

class Watch : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_FAIL() << "network namespaces need root";
    network_.emplace();
  }
  static void nft(const std::string& commands) { base::must_run({"nft", commands}); }
  std::optional<IsolatedNetwork> network_;
};

TEST_F(Watch, ReportsChangesOfItsTableByOtherProcessesOnly) {
  FirewallWatch watch("watched");
  Nftables nftables;
  nftables.run("add table ip watched\nadd chain ip watched c\n");
  EXPECT_FALSE(watch.read()) << "our own";
  nft("add table ip other; add chain ip other c");
  EXPECT_FALSE(watch.read()) << "another table";
  for (const char* change :
       {"add rule ip watched c accept", "add table bridge watched", "flush chain ip watched c",
        "delete table ip watched", "add table ip watched; add set ip watched s { type ipv4_addr; }",
        "add element ip watched s { 1.1.1.1 }", "flush ruleset"}) {
    nft(change);
    const auto seen = watch.read();
    ASSERT_TRUE(seen) << change;
    EXPECT_EQ(seen->process, "nft") << change;
    EXPECT_FALSE(watch.read()) << change;
  }
}

TEST_F(Watch, AChangeOfOursAfterAnothersDoesNotHideIt) {
  FirewallWatch watch("watched");
  Nftables nftables;
  nft("add table ip watched");
  nftables.run("add chain ip watched c\n");
  EXPECT_TRUE(watch.read());
}

TEST_F(Watch, TheThreadHasItsOwnNameAgainAfterwards) {
  const std::string before = base::read_file("/proc/thread-self/comm");
  Nftables().run("add table ip watched\n");
  EXPECT_EQ(base::read_file("/proc/thread-self/comm"), before);
}

}  // namespace
}  // namespace rivera::garden
