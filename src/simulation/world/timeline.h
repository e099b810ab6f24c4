// A cluster over time: auctions, starting containers, convergence, cells that evacuate or are lost.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "simulation/world/world.h"

namespace rivera::simulation {

using SimTime = std::chrono::milliseconds;  // since the beginning

struct TimelineOptions {
  auction::PlacementOptions placement = {};
  SimTime auction_time{1'000};           // states asked, work placed, work accepted
  SimTime convergence_interval{30'000};  // of the BBS; what is unclaimed for longer than that is auctioned again
  SimTime presence_ttl{15'000};          // until a lost cell is missed
  SimTime start_time{10'000};            // of a container, on a cell that starts few
  int parallel_starts = 8;               // containers a cell starts at full speed; more share it
  SimTime horizon{std::chrono::hours(6)};
  unsigned seed = 1;
};

struct Sample {
  SimTime at{0};
  std::size_t starting = 0;     // containers
  std::size_t waiting = 0;      // instances without a cell
  std::size_t unavailable = 0;  // desired instances of which no container runs
  std::size_t cells_away = 0;   // evacuating, being replaced or lost
};

struct Course {
  std::vector<Sample> samples;  // in ascending time, at most one a second; each holds the worst of its second
  std::vector<float> waits;     // seconds from "needed" to "runs", of each start
  std::size_t most_starting = 0;
  std::size_t most_starting_on_a_cell = 0;
  std::size_t most_unavailable = 0;
  double unavailable_seconds = 0;  // summed over instances
  std::size_t auctions = 0;
  std::map<std::string, std::size_t> failures;  // placement errors, each time they were given
  std::chrono::nanoseconds placement_time{0};
  SimTime ended{0};
  std::size_t never_placed = 0;  // still without a cell at the end
};

// Runs one World through time. Deterministic: the same calls give the same course.
//
//   Timeline timeline(world, options);
//   timeline.at(60s, [&] { timeline.lose(3); });
//   const Course course = timeline.run();
//
// What a real cluster does in between is kept to what matters for placement: an auction takes a fixed time and gathers
// what comes meanwhile; a failed item waits for convergence; a cell that starts many containers at once is slower.
class Timeline {
 public:
  // Instances that are on a cell run; the others are not desired until desire() is called.
  Timeline(World& world, TimelineOptions options);

  // At `when` (not before now) do something, in the order of the calls for the same time.
  void at(SimTime when, std::function<void()> what);
  SimTime now() const { return now_; }
  World& world() { return world_; }

  // Wants a container for an instance that has none, from the next auction.
  void desire(InstanceId instance);
  // The cell is gone with its containers; the BBS misses it a presence's time to live later.
  void lose(CellId cell);
  // The cell takes no more work and gives its instances away; `drained` is called when its last container is gone.
  // After `timeout` what is left is ended.
  void evacuate(CellId cell, SimTime timeout, std::function<void()> drained);
  // An emptied cell is back.
  void bring_back(CellId cell);

  // Until nothing is left to do, or the horizon.
  Course run();

 private:
  static constexpr CellId kNowhere = static_cast<CellId>(-1);

  struct Status {
    CellId cell = kNowhere;      // of the container that starts or runs
    CellId old_cell = kNowhere;  // of one that runs on until its successor does
    bool is_running = false;     // the container on `cell`
    bool is_desired = false;
    std::uint32_t generation = 0;  // counts containers, so that news of a former one are ignored
    SimTime needed_since{0};
    SimTime failed_at{0};  // the last placement error
  };
  struct Event {
    SimTime at;
    std::uint64_t number;
    std::function<void()> what;
    bool operator<(const Event& other) const { return std::pair(at, number) > std::pair(other.at, other.number); }
  };
  struct Evacuation {
    std::size_t left = 0;  // containers
    std::function<void()> drained;
  };

  bool is_available(const Status& status) const { return status.is_running || status.old_cell != kNowhere; }
  // Changes a status and keeps the sums right.
  template <typename Change>
  void change(InstanceId instance, Change change);
  void need(InstanceId instance);
  void auction();
  void begin_start(InstanceId instance, CellId cell);
  void finish_start(InstanceId instance, std::uint32_t generation);
  void converge();
  void end_old_container(InstanceId instance);
  void leave(CellId cell);  // one container of an evacuating cell is gone
  void sample();
  void sample_quiet_until(SimTime when);

  World& world_;
  TimelineOptions options_;
  std::mt19937 random_;
  SimTime now_{0};
  std::uint64_t next_number_ = 0;
  std::priority_queue<Event> events_;
  std::vector<Status> status_;       // by instance
  std::vector<InstanceId> pending_;  // for the next auction
  std::vector<InstanceId> failed_;   // for convergence
  bool auction_is_due_ = false;
  bool convergence_is_due_ = false;
  std::map<CellId, Evacuation> evacuations_;
  std::size_t starting_ = 0;
  std::size_t unavailable_ = 0;
  std::size_t cells_away_ = 0;
  Course course_;
};

}  // namespace rivera::simulation
