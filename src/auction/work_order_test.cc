#include "auction/work_order.h"

#include <gtest/gtest.h>

#include "auction/testing/testing.h"

namespace rivera::auction {
namespace {

using testing::a_task;
using testing::an_lrp;

WorkItem lrp(std::size_t position) { return {false, position}; }
WorkItem task(std::size_t position) { return {true, position}; }
using Items = std::vector<WorkItem>;

TEST(OrderOfWork, PutsTasksBetweenFirstInstancesAndRedundancy) {
  EXPECT_EQ(order_of_work({an_lrp("a", 1, 10, 0), an_lrp("a", 0, 10, 0)}, {a_task("t", 5, 0)}),
            (Items{lrp(1), task(0), lrp(0)}));
}

TEST(OrderOfWork, SortsByIndexThenByMemoryFromLargeToSmall) {
  EXPECT_EQ(order_of_work({an_lrp("a", 2, 10, 0), an_lrp("b", 1, 10, 0), an_lrp("c", 1, 20, 0), an_lrp("d", 0, 5, 0),
                           an_lrp("e", 0, 6, 0)},
                          {a_task("small", 1, 0), a_task("large", 2, 0)}),
            (Items{lrp(4), lrp(3), task(1), task(0), lrp(2), lrp(1), lrp(0)}));
}

TEST(OrderOfWork, KeepsTheOrderOfEquals) {
  EXPECT_EQ(order_of_work({an_lrp("b", 1, 10, 0), an_lrp("a", 1, 10, 0)}, {a_task("y", 1, 0), a_task("x", 1, 0)}),
            (Items{task(0), task(1), lrp(0), lrp(1)}));
}

TEST(OrderOfWork, PutsTasksFirstWhenThereIsNoRedundancy) {
  EXPECT_EQ(order_of_work({an_lrp("a", 0, 10, 0)}, {a_task("t", 1, 0)}), (Items{task(0), lrp(0)}));
}

}  // namespace
}  // namespace rivera::auction
