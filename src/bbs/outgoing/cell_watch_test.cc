#include "bbs/outgoing/cell_watch.h"

#include <gtest/gtest.h>

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;

const CellIds kFive = {"a", "b", "c", "d", "e"};

class CellWatchTest : public testing::Test {
 protected:
  CellIds believe(const CellIds& listed) { return watch_.believe(listed, clock_.now()); }
  base::ManualClock clock_;
  CellWatch watch_{15s};
};

TEST_F(CellWatchTest, BelievesThatOneOrTwoCellsAreGone) {
  EXPECT_EQ(believe({"a", "b"}), CellIds({"a", "b"}));
  EXPECT_EQ(believe({}), CellIds());
  believe(kFive);
  EXPECT_EQ(believe({"a", "b", "c"}), CellIds({"a", "b", "c"}));
}

TEST_F(CellWatchTest, WantsAMassDisappearanceConfirmed) {
  believe(kFive);
  EXPECT_EQ(believe({"a"}), kFive);
  clock_.advance(14s);
  EXPECT_EQ(believe({"a"}), kFive);
  clock_.advance(1s);
  EXPECT_EQ(believe({"a"}), CellIds({"a"}));
  EXPECT_EQ(believe({"a"}), CellIds({"a"}));
}

TEST_F(CellWatchTest, ForgetsTheDoubtWhenTheCellsAreBack) {
  believe(kFive);
  believe({});
  clock_.advance(10s);
  EXPECT_EQ(believe(kFive), kFive);
  clock_.advance(10s);
  EXPECT_EQ(believe({}), kFive) << "counted from the second disappearance";
}

TEST_F(CellWatchTest, WantsEveryDisappearanceConfirmedAfterAnOutageOfLocket) {
  believe({"a", "b"});
  watch_.unreachable(clock_.now());
  clock_.advance(5s);
  EXPECT_EQ(believe({}), CellIds({"a", "b"}));
  clock_.advance(14s);
  EXPECT_EQ(believe({}), CellIds({"a", "b"}));
  clock_.advance(1s);
  EXPECT_EQ(believe({}), CellIds());
}

TEST_F(CellWatchTest, BelievesAgainAtOnceWhenTheOutageIsLongOver) {
  believe({"a", "b"});
  watch_.unreachable(clock_.now());
  clock_.advance(5s);
  believe({"a", "b"});
  clock_.advance(10s);
  EXPECT_EQ(believe({"a"}), CellIds({"a"}));
}

TEST_F(CellWatchTest, MissesTheCellsOfTheRecordsFromTheStart) {
  watch_.expect(kFive);
  EXPECT_EQ(believe({"a"}), kFive);
  clock_.advance(15s);
  EXPECT_EQ(believe({"a"}), CellIds({"a"}));
}

TEST_F(CellWatchTest, BelievesAtTheStartThatOneOrTwoOfTheRecordsCellsAreGone) {
  watch_.expect({"a", "b"});
  EXPECT_EQ(believe({}), CellIds());
}

TEST_F(CellWatchTest, AFewAmongManyAreNoMass) {
  CellIds many;
  for (int i = 0; i < 100; ++i) many.insert("cell-" + std::to_string(i));
  believe(many);
  CellIds fewer = many;
  for (int i = 0; i < 10; ++i) fewer.erase("cell-" + std::to_string(i));
  EXPECT_EQ(believe(fewer), fewer);
}

}  // namespace
}  // namespace rivera::bbs
