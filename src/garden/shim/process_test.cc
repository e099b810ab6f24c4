// What a shim keeps for a process.
#include "garden/shim/process.h"

#include <deque>

#include <gtest/gtest.h>

namespace rivera::garden::shim {
namespace {

TEST(Backlog, KeepsTheNewestBytes) {
  Backlog backlog;
  backlog.append("first");
  backlog.append(std::string(Backlog::kCapacity, 'x'));
  backlog.append("last");
  EXPECT_LE(backlog.size(), Backlog::kCapacity);
  const std::string kept = backlog.take();
  EXPECT_EQ(kept.find("first"), std::string::npos);
  EXPECT_TRUE(kept.ends_with("xlast"));
  EXPECT_EQ(backlog.size(), 0u);
  EXPECT_EQ(Backlog::total(), 0u);
}

TEST(Backlog, OfManyProcessesIsBoundedTogether) {
  std::deque<Backlog> many;
  for (int i = 0; i < 40; ++i) {
    many.emplace_back();
    for (int j = 0; j < 8; ++j) many.back().append(std::string(Backlog::kCapacity / 4, 'x'));
    EXPECT_GE(many.back().size(), Backlog::kLeast / 2) << i;
  }
  EXPECT_LE(Backlog::total(), Backlog::kTotal + 40 * Backlog::kLeast);
  many.clear();
  EXPECT_EQ(Backlog::total(), 0u);
}

}  // namespace
}  // namespace rivera::garden::shim
