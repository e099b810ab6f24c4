// Whole auctions over real HTTP, with cells and a BBS that the test controls.
#include "auctioneer/auctions/auction_loop.h"

#include <fcntl.h>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "auctioneer/testing/auction_test_bench.h"
#include "base/files.h"

namespace rivera::auctioneer {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using testing::eventually;
using testing::indices;
using testing::start_lrp;
using testing::start_task;
using testing::with_bench;

std::multiset<std::string> lrps_sent_to(const testing::FakeCell& cell) {
  std::multiset<std::string> result;
  for (const auto& work : cell.works) {
    for (const auto& lrp : work.lrps) result.insert(lrp.identifier());
  }
  return result;
}

using Items = std::multiset<std::string>;

TEST(AuctionLoop, SendsEachInstanceToTheBestCell) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& a = bench.add_cell("cell-a");
    auto& b = bench.add_cell("cell-b");
    co_await bench.start(start_lrp("p", indices(0, 1)));
    co_await eventually("both cells have work", [&] { return !a.works.empty() && !b.works.empty(); });
    EXPECT_EQ(lrps_sent_to(a), Items{"p.0"});
    EXPECT_EQ(lrps_sent_to(b), Items{"p.1"});
    EXPECT_EQ(a.works[0].cell_id, "cell-a");
    EXPECT_EQ(a.works[0].lrps[0].instance_guid, "");
    EXPECT_EQ(a.works[0].lrps[0].state, "");
    co_await eventually("success is counted",
                        [&] { return bench.has_metric("auctioneer_auctioneer_lrp_auctions_started 2"); });
  });
}

TEST(AuctionLoop, SendsTasks) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    co_await bench.start(start_task("t"));
    co_await eventually("the cell has work", [&] { return !cell.works.empty(); });
    EXPECT_EQ(cell.works[0].tasks[0].task_guid, "t");
    EXPECT_EQ(cell.works[0].tasks[0].state, models::CellTaskState::kInvalid);
  });
}

TEST(AuctionLoop, ReportsPlacementErrorsToTheBbs) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    bench.add_cell("cell-a");
    co_await bench.start(start_lrp("huge", indices(3), 5000));
    co_await eventually("the LRP is failed", [&] { return bench.bbs.failed_lrps.size() == 1; });
    EXPECT_EQ(bench.bbs.failed_lrps[0].actual_lrp_key().process_guid(), "huge");
    EXPECT_EQ(bench.bbs.failed_lrps[0].actual_lrp_key().index(), 3);
    EXPECT_EQ(bench.bbs.failed_lrps[0].actual_lrp_key().domain(), "domain");
    EXPECT_EQ(bench.bbs.failed_lrps[0].error_message(), "insufficient resources: memory");
    auto task = start_task("t");
    task.task.placement.root_fs = "preloaded:bogus";
    co_await bench.start(std::move(task));
    co_await eventually("the task is rejected", [&] { return bench.bbs.rejected_tasks.size() == 1; });
    EXPECT_EQ(bench.bbs.rejected_tasks[0].task_guid(), "t");
    EXPECT_EQ(bench.bbs.rejected_tasks[0].rejection_reason(), "found no compatible cell for required rootfs");
  });
}

TEST(AuctionLoop, ReportsWorkThatACellRejects) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.rejects = [](const models::Work& work) {
      models::Work rejected;
      for (const auto& lrp : work.lrps) {
        if (lrp.index > 0) rejected.lrps.push_back(lrp);
      }
      rejected.lrps.push_back(rejected.lrps[0]);  // twice
      rejected.lrps.emplace_back();               // and one that was never sent
      rejected.tasks.push_back(start_task("never sent").task);
      rejected.rejection_reasons["p.1"] = "insufficient resources: memory";
      return rejected;
    };
    co_await bench.start(start_lrp("p", indices(0, 1, 2)));
    co_await eventually("two are failed", [&] { return bench.bbs.failed_lrps.size() == 2; });
    std::map<int, std::string> reasons;
    for (const auto& failed : bench.bbs.failed_lrps) {
      reasons[failed.actual_lrp_key().index()] = failed.error_message();
    }
    EXPECT_EQ(reasons,
              (std::map<int, std::string>{{1, "insufficient resources: memory"}, {2, "rejected by cell cell-a"}}));
    co_await eventually("one counts as started",
                        [&] { return bench.has_metric("auctioneer_auctioneer_lrp_auctions_started 1"); });
    EXPECT_TRUE(bench.has_metric("auctioneer_auctioneer_lrp_auctions_failed 2"));
    EXPECT_TRUE(bench.bbs.rejected_tasks.empty());
  });
}

TEST(AuctionLoop, CountsWorkAsStartedWhenTheCellsAnswerIsAnError) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.work_status = 500;
    co_await bench.start(start_lrp("p", indices(0)));
    co_await eventually("it is counted",
                        [&] { return bench.has_metric("auctioneer_auctioneer_lrp_auctions_started 1"); });
    EXPECT_EQ(cell.works.size(), 1u);
    EXPECT_TRUE(bench.bbs.failed_lrps.empty());
  });
}

TEST(AuctionLoop, LeavesOutCellsThatCannotTakePart) {
  const base::TemporaryDirectory directory("auction-loop-");
  const auto log_file = directory.path() / "log";
  const base::UniqueFd log(open(log_file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const base::Logger logger("auctioneer", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, log.get());
  const auto is_logged = [&log_file, &logger](const std::string& message, const std::string& cell) {
    EXPECT_TRUE(logger.flush());
    std::ifstream lines(log_file);
    std::string line;
    while (std::getline(lines, line)) {
      if (line.find(message) != std::string::npos && line.find('"' + cell + '"') != std::string::npos) return true;
    }
    return false;
  };
  with_bench(
      [&is_logged](Bench& bench) -> asio::awaitable<void> {
        auto& slow = bench.add_cell("slow");
        slow.hold_state(true);
        auto& evacuating = bench.add_cell("evacuating");
        evacuating.state.evacuating = true;
        auto& impostor = bench.add_cell("impostor");
        impostor.state.cell_id = "another";
        auto& sick = bench.add_cell("sick");
        sick.state_status = 503;
        auto& dead = bench.add_cell("dead");
        co_await dead.stop();
        auto& nameless = bench.add_cell("nameless");
        nameless.state.cell_id = "";
        models::CellPresence unusable;
        unusable.set_cell_id("unusable");
        unusable.set_rep_url("https://needs-certificates:1801");
        bench.bbs.cells.push_back(unusable);

        co_await bench.start(start_lrp("p", indices(0, 1, 2)));
        co_await eventually("the good cell has work", [&] { return !nameless.works.empty(); });
        EXPECT_EQ(lrps_sent_to(nameless), (Items{"p.0", "p.1", "p.2"}));
        EXPECT_EQ(nameless.works[0].cell_id, "nameless");
        for (auto* cell : {&slow, &evacuating, &impostor, &sick, &dead}) EXPECT_TRUE(cell->works.empty());
        EXPECT_EQ(slow.state_requests, 1) << "single failures are not repeated";
        EXPECT_TRUE(bench.has_metric("auctioneer_auctioneer_failed_cell_state_requests 3")) << "slow, sick and dead";
        for (const char* cell : {"slow", "sick", "dead"}) EXPECT_TRUE(is_logged("failed-to-get-state", cell)) << cell;
        EXPECT_TRUE(is_logged("cell-id-mismatch", "impostor"));
        EXPECT_TRUE(is_logged("ignored-evacuating-cell", "evacuating"));
        slow.hold_state(false);
      },
      {}, 2s, logger);
}

TEST(AuctionLoop, WaitsForTheStatesOfAllCellsTogetherNoLongerThanItsLimit) {
  AuctionOptions options;
  options.workers = 2;  // a third cell is not even asked
  options.longest_state_fetch = 2s;
  with_bench(
      [](Bench& bench) -> asio::awaitable<void> {
        auto& good = bench.add_cell("a");
        std::vector<testing::FakeCell*> slow;
        for (const char* id : {"b", "c", "d"}) slow.push_back(&bench.add_cell(id));
        for (auto* cell : slow) cell->hold_state(true);
        co_await bench.start(start_lrp("p", indices(0)));
        co_await eventually("the good cell has work", [&] { return !good.works.empty(); });
        EXPECT_TRUE(bench.has_metric("auctioneer_auctioneer_failed_cell_state_requests 3"));
        for (auto* cell : slow) cell->hold_state(false);
      },
      options, 60s);
}

TEST(AuctionLoop, AsksFourTimesWhenNoCellAnswers) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.state_status = 500;
    co_await bench.start(start_lrp("p", indices(0)));
    co_await eventually("the LRP is failed", [&] { return bench.bbs.failed_lrps.size() == 1; });
    EXPECT_EQ(bench.bbs.failed_lrps[0].error_message(), "unable to communicate to compatible cells");
    EXPECT_EQ(cell.state_requests, 4);
  });
}

TEST(AuctionLoop, FailsWorkWhenThereIsNoCell) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    co_await bench.start(start_task("t"));
    co_await eventually("the task is rejected", [&] { return bench.bbs.rejected_tasks.size() == 1; });
    EXPECT_EQ(bench.bbs.rejected_tasks[0].rejection_reason(), "unable to communicate to compatible cells");
  });
}

TEST(AuctionLoop, PlacesWhatArrivesWhileCellsAreAskedInTheSameBatch) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.hold_state(true);
    co_await bench.start(start_lrp("p", indices(0)));
    co_await eventually("the cell is asked", [&] { return cell.state_requests == 1; });
    co_await bench.start(start_lrp("q", indices(0)));
    co_await bench.start(start_lrp("p", indices(0)));
    cell.hold_state(false);
    co_await eventually("the cell has work", [&] { return !cell.works.empty(); });
    EXPECT_EQ(lrps_sent_to(cell), (Items{"p.0", "q.0"})) << "and the same instance once";
    EXPECT_EQ(cell.works.size(), 1u);
  });
}

TEST(AuctionLoop, GathersTheNextBatchWhileOneIsSent) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.hold_work(true);
    co_await bench.start(start_lrp("p", indices(0)));
    co_await eventually("the first batch is sent", [&] { return cell.works.size() == 1; });
    co_await bench.start(start_lrp("q", indices(0)));
    co_await bench.start(start_lrp("r", indices(0)));
    EXPECT_EQ(cell.state_requests, 1) << "one batch at a time";
    cell.hold_work(false);
    co_await eventually("the second batch is sent", [&] { return cell.works.size() == 2; });
    EXPECT_EQ(cell.works[1].lrps.size(), 2u);
  });
}

TEST(AuctionLoop, KeepsWorkUntilTheBbsAnswers) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    bench.bbs.refusals = 3;  // one call, with all its attempts
    co_await bench.start(start_lrp("p", indices(0)));
    co_await eventually("the cell has work", [&] { return !cell.works.empty(); });
    EXPECT_EQ(lrps_sent_to(cell), Items{"p.0"});
  });
}

TEST(AuctionLoop, PassesTheTraceOfTheFirstRequestOn) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.hold_state(true);
    co_await bench.start(start_lrp("p", indices(0)), "first-trace");
    co_await eventually("the cell is asked", [&] { return cell.state_requests == 1; });
    co_await bench.start(start_lrp("q", indices(0)), "second-trace");
    cell.hold_state(false);
    co_await eventually("the cell has work", [&] { return !cell.works.empty(); });
    EXPECT_EQ(cell.traces, std::vector<std::string>{"first-trace"});
    EXPECT_EQ(bench.bbs.last_trace, "first-trace");
  });
}

TEST(AuctionLoop, HoldsTheLimitOfStartingContainers) {
  AuctionOptions options;
  options.placement.starting_container_count_maximum = 2;
  with_bench(
      [](Bench& bench) -> asio::awaitable<void> {
        auto& cell = bench.add_cell("cell-a");
        cell.state.starting_container_count = 1;
        co_await bench.start(start_lrp("p", indices(0, 1)));
        co_await eventually("one is failed", [&] { return bench.bbs.failed_lrps.size() == 1; });
        EXPECT_EQ(bench.bbs.failed_lrps[0].error_message(), "waiting to start instance: reached in-flight start limit");
        EXPECT_EQ(lrps_sent_to(cell), Items{"p.0"});
      },
      options);
}

TEST(AuctionLoop, StopsAtOnceWhileACellIsAsked) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    cell.hold_state(true);
    co_await bench.start(start_lrp("p", indices(0)));
    co_await eventually("the cell is asked", [&] { return cell.state_requests == 1; });
    co_await base::within(5s, "stopping", bench.tasks.stop());
    EXPECT_TRUE(cell.works.empty());
    cell.hold_state(false);
  });
}

TEST(AuctionLoop, PlacesALargeBatchEvenly) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    for (int i = 0; i < 12; ++i) {
      auto& cell = bench.add_cell("cell-" + std::to_string(i));
      cell.state.zone = "z" + std::to_string(i % 3);
    }
    std::vector<models::LRPStartRequest> requests;
    for (int i = 0; i < 60; ++i) requests.push_back(start_lrp("p" + std::to_string(i), indices(0, 1)));
    co_await bench.client->request_lrp_auctions(std::move(requests), "");
    co_await eventually("all are placed",
                        [&] { return bench.has_metric("auctioneer_auctioneer_lrp_auctions_started 120"); });
    for (const auto& cell : bench.cells) EXPECT_EQ(lrps_sent_to(*cell).size(), 10u) << cell->cell_id;
  });
}

}  // namespace
}  // namespace rivera::auctioneer
