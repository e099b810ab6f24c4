// Cells that are lost and return between two runs of convergence.
#include "base/testing/test_run.h"
#include "bbs/program/bbs_harness.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

using models::testing::a_cell;
using models::testing::a_desired_lrp;

class CellLoss : public BbsHarness {
 protected:
  CellLoss() {
    config_.convergence.interval = std::chrono::hours(1);
    config_.convergence.cell_interval = std::chrono::milliseconds(20);
  }

  void set_cells(std::vector<models::CellPresence> cells) { run(set_cells_at_home(std::move(cells))); }
  asio::awaitable<void> set_cells_at_home(std::vector<models::CellPresence> cells) {
    cells_.present = std::move(cells);
    co_return;
  }

  void run_an_instance(const std::string& guid, const std::string& cell) {
    models::DesireLRPRequest desire;
    *desire.mutable_desired_lrp() = a_desired_lrp(guid).with_instances(1);
    call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", desire);
    models::StartActualLRPRequest start;
    *start.mutable_actual_lrp_key() = models::actual_lrp_key(guid, 0, a_desired_lrp(guid).build().domain());
    *start.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key("i", cell);
    start.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
    const auto response = call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/start.r1", start);
    ASSERT_FALSE(response.has_error()) << response.error().message();
  }

  int lrps() {
    return call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest()).actual_lrps_size();
  }
  void wait_for_lrps(int count) {
    const auto end = std::chrono::steady_clock::now() + kTestTimeout;
    while (lrps() != count) ASSERT_LT(std::chrono::steady_clock::now(), end);
  }
};

TEST_F(CellLoss, IsActedUponWithoutWaitingForTheNextRun) {
  start();
  set_cells({a_cell("a"), a_cell("b")});
  run_an_instance("p", "a");
  run(active_->converge());
  EXPECT_EQ(lrps(), 1);
  set_cells({a_cell("b")});
  wait_for_lrps(2);  // a suspect and its replacement
  set_cells({a_cell("a"), a_cell("b")});
  wait_for_lrps(1);  // the suspect is ordinary again
}

TEST_F(CellLoss, WaitsForTheFirstRunAfterTheStart) {
  start();
  set_cells({a_cell("a")});
  run_an_instance("p", "gone");
  // Ten looks at the cells, as seen by how often they were asked for.
  run([](GivenCells& cells) -> asio::awaitable<void> {
    const int before = cells.listed;
    co_await base::eventually("ten looks", [&cells, before] { return cells.listed >= before + 10; });
  }(cells_));
  EXPECT_EQ(lrps(), 1);
  run(active_->converge());
  EXPECT_EQ(lrps(), 2);
}

}  // namespace
}  // namespace rivera::bbs
