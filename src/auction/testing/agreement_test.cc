// The production search, with trees and without, chooses as the reference does, item by item.
// RIVERA_AUCTION_AGREEMENT_ITEMS=1000000 makes a long run; `bench/auction` makes it on every run.
#include "auction/testing/agreement.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace rivera::auction {
namespace {

using testing::a_cell;
using testing::an_lrp;
using testing::Lockstep;
using testing::Random;
using testing::random_scenario;
using testing::Scenario;

class Agreement : public ::testing::TestWithParam<Method> {
 protected:
  static void expect_agreement(const Scenario& scenario, std::uint64_t items) {
    Lockstep lockstep(scenario, GetParam());
    EXPECT_EQ(lockstep.run(), std::nullopt);
    EXPECT_EQ(lockstep.items(), items);
  }
};

INSTANTIATE_TEST_SUITE_P(Methods, Agreement, ::testing::Values(Method::kTrees, Method::kScan),
                         [](const auto& each) { return each.param == Method::kTrees ? "Trees" : "Scan"; });

std::uint64_t wanted_items() {
  const char* text = std::getenv("RIVERA_AUCTION_AGREEMENT_ITEMS");
  return text ? std::strtoull(text, nullptr, 10) : 30'000;
}

TEST_P(Agreement, OnRandomWork) {
  std::uint64_t items = 0;
  std::uint64_t by_rounding = 0;
  for (std::uint64_t seed = 1; items < wanted_items(); ++seed) {
    const Scenario scenario = random_scenario(seed);
    Lockstep lockstep(scenario, GetParam());
    const auto difference = lockstep.run();
    ASSERT_EQ(difference, std::nullopt) << "seed " << seed;
    items += lockstep.items();
    by_rounding += lockstep.by_rounding();
  }
  RecordProperty("items", static_cast<int>(items));
  // Scores that differ by rounding only must be rare: otherwise the comparison would prove little.
  EXPECT_LT(by_rounding * 100, items);
}

TEST_P(Agreement, HoldsWhenOneProcessIsOnEveryCell) {
  Scenario scenario;
  Random random(7);
  for (std::size_t i = 0; i < 300; ++i) {
    auto cell = a_cell("cell-" + std::to_string(i), "z" + std::to_string(i % 3)).with_total(4000, 4000, 100);
    const auto held = static_cast<std::uint32_t>(random.number(1, 4));
    scenario.cells.push_back(cell.running("huge", random.number(1, 500), 1, held));
  }
  for (int i = 0; i < 2000; ++i) scenario.lrps.push_back(an_lrp("huge", i, 16, 16));
  scenario.options.starting_container_weight = 0.25;
  expect_agreement(scenario, 2000);
}

TEST_P(Agreement, HoldsWhenTheLighterHalfHoldsTheProcess) {
  Scenario scenario;
  for (std::size_t i = 0; i < 500; ++i) {
    auto cell = a_cell("cell-" + std::to_string(i), "z").with_total(1000, 1000, 100);
    if (i % 2 == 0) {
      cell.running("p", 1, 1);
    } else {
      cell.running("x", 500 + static_cast<std::int64_t>(i) / 5, 1);
    }
    scenario.cells.push_back(cell);
  }
  for (int i = 0; i < 600; ++i) scenario.lrps.push_back(an_lrp("p", i, 16, 16));
  expect_agreement(scenario, 600);
}

TEST_P(Agreement, HoldsWhenNoCellHasAllThatOthersHaveInPart) {
  Scenario scenario;
  for (std::size_t i = 0; i < 400; ++i) {
    auto cell = a_cell("cell-" + std::to_string(i), "z").with_total(1000, 1000, 100);
    if (i % 2 == 0) {
      cell.with_free(900, 10, 50);
    } else {
      cell.with_free(10, 900, 50);
    }
    if (i == 399) cell.with_free(100, 100, 50);
    scenario.cells.push_back(cell);
  }
  for (int i = 0; i < 5; ++i) scenario.lrps.push_back(an_lrp("p", i, 50, 50));
  expect_agreement(scenario, 5);
}

}  // namespace
}  // namespace rivera::auction
