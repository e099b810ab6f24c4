#include "models/nouns/task.h"

#include <gtest/gtest.h>

#include "models/testing/testing.h"

namespace rivera::models {
namespace {

using testing::a_task;

TEST(Task, StartsPendingWithBothTimes) {
  const auto task = pending_task("t", "d", testing::a_task_definition(), 7);
  EXPECT_EQ(task.state(), Task::Pending);
  EXPECT_EQ(task.created_at(), 7);
  EXPECT_EQ(task.updated_at(), 7);
  EXPECT_EQ(task.first_completed_at(), 0);
}

TEST(Task, IsUnfinishedWhilePendingOrRunning) {
  Task task = a_task();
  EXPECT_TRUE(is_unfinished(task));
  task.set_state(Task::Running);
  EXPECT_TRUE(is_unfinished(task));
  task.set_state(Task::Completed);
  EXPECT_FALSE(is_unfinished(task));
  task.set_state(Task::Resolving);
  EXPECT_FALSE(is_unfinished(task));
}

TEST(Task, LosesItsCellWhenItCompletes) {
  Task task = a_task();
  task.set_cell_id("cell");
  complete(task, true, std::string(2000, 'x'), "result", 9);
  EXPECT_EQ(task.state(), Task::Completed);
  EXPECT_EQ(task.cell_id(), "");
  EXPECT_EQ(task.failure_reason().size(), 1024U);
  EXPECT_EQ(task.result(), "result");
  EXPECT_EQ(task.updated_at(), 9);
  EXPECT_EQ(task.first_completed_at(), 9);
}

TEST(Task, NamesItsStatesAsErrorsDo) {
  EXPECT_EQ(state_name(Task::Resolving), "Resolving");
  EXPECT_EQ(state_name(static_cast<Task::State>(9)), "9");
}

}  // namespace
}  // namespace rivera::models
