// Examining only what changed finds the same as examining everything.
#include <random>

#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

// A plan as text in canonical order.
Names findings_of(const LRPConvergence& plan) {
  Names found;
  const auto add = [&found](const char* list, const std::vector<ActualLRPPtr>& lrps) {
    for (const ActualLRPPtr& lrp : lrps) found.push_back(list + lrp->whole().ShortDebugString());
  };
  add("lost evacuating ", plan.lost_evacuating);
  add("retire ", plan.retire);
  add("restart ", plan.restart);
  add("lost ", plan.lost);
  add("returned ", plan.returned);
  add("retire suspect ", plan.retire_suspects);
  add("routes ", plan.outdated_routes);
  add("tags ", plan.outdated_tags);
  for (const auto& key : plan.missing) found.push_back("missing " + key.ShortDebugString());
  found.push_back("crashing " + std::to_string(plan.counts.crashing_desired));
  std::sort(found.begin(), found.end());
  return found;
}

class ConvergenceScope : public BoardTest {
 protected:
  int any(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string a_guid() { return "p" + std::to_string(any(6)); }
  std::string a_cell() { return "cell-" + std::to_string(any(4)); }

  CellIds some_cells() {
    CellIds cells;
    for (int i = 0; i < 4; ++i) {
      if (any(4) > 0) cells.insert("cell-" + std::to_string(i));
    }
    return cells;
  }

  void update(const std::string& guid) {
    models::UpdateDesiredLRPRequest request;
    request.set_process_guid(guid);
    if (any(2) == 0) request.mutable_update()->set_instances(any(4));
    if (any(2) == 0) {
      (*request.mutable_update()->mutable_metric_tags())["tag"].set_static_(std::to_string(any(2)));
    } else {
      const char* hosts[] = {R"([{"hostname":"a"}])", R"([{"hostname":"b"}])", "[]"};
      (*request.mutable_update()->mutable_routes()->mutable_routes())["internal-router"] = hosts[any(3)];
    }
    board_.update_desired_lrp(request, now(), "");
  }

  void start_somewhere() {
    auto request = start_request(a_guid(), any(4), a_cell(), "i" + std::to_string(any(3)));
    if (any(2) == 0) (*request.mutable_metric_tags())["tag"] = std::to_string(any(2));
    if (any(2) == 0) request.add_actual_lrp_internal_routes()->set_hostname(any(2) == 0 ? "a" : "b");
    board_.start(request, now());
  }

  void do_something() {
    switch (any(8)) {
      case 0:
        board_.desire_lrp(a_desired_lrp(a_guid()).with_instances(any(4)), now(), "");
        break;
      case 1:
        update(a_guid());
        break;
      case 2:
        if (any(4) == 0) board_.remove_desired_lrp(a_guid(), "");
        break;
      case 3:
        claim(a_guid(), any(4), a_cell(), "i" + std::to_string(any(3)));
        break;
      case 4:
        start_somewhere();
        break;
      case 5: {
        const std::string guid = a_guid();
        const int index = any(4);
        const ActualLRPPtr lrp = lrps(guid, index).ordinary();
        if (lrp) crash(guid, index, cell_id(*lrp), lrp->lrp.actual_lrp_instance_key().instance_guid());
        break;
      }
      case 6: {
        models::EvacuateRunningActualLRPRequest request;
        request.MergeFromString(start_request(a_guid(), any(4), a_cell(), "i").SerializeAsString());
        board_.evacuate_running(request, now());
        break;
      }
      default:
        clock_.advance(std::chrono::seconds(any(40)));
        if (any(4) == 0) make_domain_fresh();
        break;
    }
  }

  std::mt19937 random_{20260101};
};

TEST_F(ConvergenceScope, WhatHasChangedAndEverythingGiveTheSamePlan) {
  std::size_t settled = 0;
  for (int step = 0; step < 20'000; ++step) {
    do_something();
    if (any(3) != 0) continue;
    const CellIds cells = some_cells();
    const auto plan = plan_lrp_convergence(board_.records(), cells, now(), Scope::kUnsettled);
    const auto whole = plan_lrp_convergence(board_.records(), cells, now(), Scope::kAll);
    ASSERT_EQ(findings_of(plan), findings_of(whole)) << "at step " << step;
    board_.converge_lrps(plan, cells, now());
    settled += plan.settled.size();
  }
  EXPECT_GT(settled, 1000u) << "processes must settle, or nothing was compared";
}

// The Board's state after a run in the smallest portions needs nothing that it would not need after a run at once.
TEST_F(ConvergenceScope, PortionsRepairWhatOneRunRepairs) {
  for (int step = 0; step < 5'000; ++step) {
    do_something();
    if (any(5) != 0) continue;
    const CellIds cells = some_cells();
    Board at_once = board_;
    at_once.converge_lrps(plan_lrp_convergence(at_once.records(), cells, now()), cells, now());
    Examination examination = processes_to_examine(board_.records(), cells, Slice{});
    do {
      const LRPConvergence plan = plan_next(board_.records(), cells, now(), examination, {1, 1});
      board_.converge_lrps(plan, cells, now());
    } while (!examination.is_done());
    ASSERT_EQ(findings_of(plan_lrp_convergence(board_.records(), cells, now())),
              findings_of(plan_lrp_convergence(at_once.records(), cells, now())))
        << "at step " << step;
    ASSERT_EQ(board_.records().actual_lrp_count(), at_once.records().actual_lrp_count()) << "at step " << step;
    ASSERT_EQ(board_.records().tally().unclaimed, at_once.records().tally().unclaimed) << "at step " << step;
  }
}

TEST_F(ConvergenceScope, SlicesTogetherExamineEveryProcessOnce) {
  for (int i = 0; i < 100; ++i) desire("p" + std::to_string(i), 0);
  converge({});
  ASSERT_TRUE(board_.records().unsettled().empty());
  std::vector<std::string> examined;
  for (std::size_t i = 0; i < 7; ++i) {
    const Examination some = processes_to_examine(board_.records(), {}, Slice{i, 7});
    examined.insert(examined.end(), some.guids.begin(), some.guids.end());
  }
  std::sort(examined.begin(), examined.end());
  EXPECT_EQ(examined.size(), 100u);
  EXPECT_EQ(std::unique(examined.begin(), examined.end()), examined.end());
}

TEST_F(ConvergenceScope, WhatIsInOrderIsNotLookedAtAgain) {
  make_domain_fresh();
  desire("p", 2);
  start("p", 0, "cell", "i");
  start("p", 1, "cell", "j");
  converge({"cell"});
  EXPECT_TRUE(board_.records().unsettled().empty());
  crash("p", 1, "cell", "j");
  EXPECT_TRUE(board_.records().unsettled().contains("p"));
}

}  // namespace
}  // namespace rivera::bbs
