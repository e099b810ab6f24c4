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
  SimTime auction_time{1'000};           // fetch states, place, commit
  SimTime convergence_interval{30'000};  // of the BBS; an instance unclaimed for longer is auctioned again
  SimTime presence_ttl{15'000};          // until the loss of a cell is detected
  SimTime start_time{10'000};            // of a container, on a cell that starts at most `parallel_starts`
  int parallel_starts = 8;               // containers that a cell starts at full speed; more are slower
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
  std::vector<Sample> samples;  // in ascending time, at most one a second; each has the maximum of its second
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

// Advances one World through time. Deterministic: the same calls give the same course.
//
//   Timeline timeline(world, options);
//   timeline.at(60s, [&] { timeline.lose(3); });
//   const Course course = timeline.run();
//
// Only what matters for placement is modelled: an auction takes a fixed time, in which new work is collected for the
// next; a failed item waits for convergence; a cell that starts many containers at once is slower.
class Timeline {
 public:
  // Instances that are on a cell run; the others are not desired until desire() is called.
  Timeline(World& world, TimelineOptions options);

  // Schedules an action at `when` (not in the past); actions of the same time run in the order of the calls.
  void at(SimTime when, std::function<void()> what);
  SimTime now() const { return now_; }
  World& world() { return world_; }

  // Adds an instance without a container to the next auction.
  void desire(InstanceId instance);
  // Removes the cell with its containers; the BBS detects that after the presence's time to live.
  void lose(CellId cell);
  // The cell accepts no more work and its instances are replaced elsewhere; `drained` is called when its last container
  // has ended. After `timeout` the remaining containers are ended.
  void evacuate(CellId cell, SimTime timeout, std::function<void()> drained);
  // An empty cell accepts work again.
  void bring_back(CellId cell);

  // Runs until nothing is left to do, or until the horizon.
  Course run();

 private:
  static constexpr CellId kNowhere = static_cast<CellId>(-1);

  struct Status {
    CellId cell = kNowhere;      // of the container that starts or runs
    CellId old_cell = kNowhere;  // of the evacuating container, until its replacement runs
    bool is_running = false;     // the container on `cell`
    bool is_desired = false;
    std::uint32_t generation = 0;  // counts containers, so that events of an earlier one are ignored
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
  // Changes a status and updates the sums.
  template <typename Change>
  void change(InstanceId instance, Change change);
  void need(InstanceId instance);
  void auction();
  void begin_start(InstanceId instance, CellId cell);
  void finish_start(InstanceId instance, std::uint32_t generation);
  void converge();
  void end_old_container(InstanceId instance);
  void leave(CellId cell);  // one container of an evacuating cell has ended
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
