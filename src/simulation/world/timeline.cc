#include "simulation/world/timeline.h"

#include <algorithm>

namespace rivera::simulation {

Timeline::Timeline(World& world, TimelineOptions options)
    : world_(world), options_(options), random_(options_.seed), status_(world.instances().size()) {
  for (CellId cell = 0; cell < world.cells().size(); ++cell) {
    for (const InstanceId instance : world.cells()[cell].instances) {
      status_[instance] = {.cell = cell, .is_running = true, .is_desired = true};
    }
  }
}

void Timeline::at(SimTime when, std::function<void()> what) {
  events_.push({std::max(when, now_), next_number_++, std::move(what)});
}

template <typename Change>
void Timeline::change(InstanceId instance, Change change) {
  Status& status = status_[instance];
  const auto lacks = [this, &status] { return status.is_desired && !is_available(status) ? 1u : 0u; };
  unavailable_ -= lacks();
  change(status);
  unavailable_ += lacks();
}

void Timeline::desire(InstanceId instance) {
  change(instance, [](Status& status) { status.is_desired = true; });
  need(instance);
}

void Timeline::need(InstanceId instance) {
  status_[instance].needed_since = now_;
  pending_.push_back(instance);
  if (auction_is_due_) return;
  auction_is_due_ = true;
  at(now_ + options_.auction_time, [this] { auction(); });
}

void Timeline::auction() {
  auction_is_due_ = false;
  std::vector<InstanceId> work;
  work.swap(pending_);
  Round round = hold_auction(world_, work, options_.placement);
  ++course_.auctions;
  course_.placement_time += round.placement_time;
  for (const auto& [instance, cell] : round.placed) begin_start(instance, cell);
  for (const auto& [instance, error] : round.failed) {
    status_[instance].failed_at = now_;
    failed_.push_back(instance);
    ++course_.failures[error];
  }
  if (failed_.empty() || convergence_is_due_) return;
  convergence_is_due_ = true;
  const auto passes = now_ / options_.convergence_interval + 1;
  at(passes * options_.convergence_interval, [this] { converge(); });
}

// Upstream's rule: auctioned again once unclaimed for longer than 30 s, at the next pass
// (docs/spec/locket-and-auction.md §4.8).
void Timeline::converge() {
  convergence_is_due_ = false;
  std::vector<InstanceId> all;
  all.swap(failed_);
  for (const InstanceId instance : all) {
    if (now_ - status_[instance].failed_at >= options_.convergence_interval) {
      const SimTime since = status_[instance].needed_since;
      need(instance);
      status_[instance].needed_since = since;
    } else {
      failed_.push_back(instance);
    }
  }
  if (failed_.empty()) return;
  convergence_is_due_ = true;
  at(now_ + options_.convergence_interval, [this] { converge(); });
}

void Timeline::begin_start(InstanceId instance, CellId cell) {
  ++starting_;
  const auto on_cell = static_cast<std::size_t>(world_.cells()[cell].now.starting_containers);
  course_.most_starting_on_a_cell = std::max(course_.most_starting_on_a_cell, on_cell);
  std::uint32_t generation = 0;
  world_.renew(instance);
  change(instance, [&](Status& status) {
    status.cell = cell;
    status.is_running = false;
    generation = ++status.generation;
  });
  const double crowd = std::max(1.0, static_cast<double>(on_cell) / options_.parallel_starts);
  const double jitter = std::uniform_real_distribution<double>(0.8, 1.2)(random_);
  const auto takes = static_cast<std::int64_t>(static_cast<double>(options_.start_time.count()) * crowd * jitter);
  at(now_ + SimTime(takes), [this, instance, generation] { finish_start(instance, generation); });
}

void Timeline::finish_start(InstanceId instance, std::uint32_t generation) {
  if (status_[instance].generation != generation) return;
  --starting_;
  world_.has_started(status_[instance].cell);
  change(instance, [](Status& status) { status.is_running = true; });
  course_.waits.push_back(static_cast<float>((now_ - status_[instance].needed_since).count()) / 1000.0f);
  if (status_[instance].old_cell != kNowhere) end_old_container(instance);
}

void Timeline::end_old_container(InstanceId instance) {
  const CellId old_cell = status_[instance].old_cell;
  world_.remove(instance, old_cell, false);
  change(instance, [](Status& status) { status.old_cell = kNowhere; });
  leave(old_cell);
}

void Timeline::leave(CellId cell) {
  const auto found = evacuations_.find(cell);
  if (found == evacuations_.end() || --found->second.left > 0) return;
  at(now_, std::move(found->second.drained));
  evacuations_.erase(found);
}

void Timeline::lose(CellId cell) {
  world_.set_takes_work(cell, false);
  ++cells_away_;
  const std::vector<InstanceId> lost = world_.cells()[cell].instances;
  for (const InstanceId instance : lost) {
    const bool was_starting = !status_[instance].is_running;
    if (was_starting) --starting_;
    world_.remove(instance, cell, was_starting);
    change(instance, [](Status& status) {
      status.cell = kNowhere;
      status.is_running = false;
      ++status.generation;
    });
  }
  at(now_ + options_.presence_ttl, [this, lost] {
    for (const InstanceId instance : lost) need(instance);
  });
}

void Timeline::evacuate(CellId cell, SimTime timeout, std::function<void()> drained) {
  world_.set_takes_work(cell, false);
  ++cells_away_;
  const std::vector<InstanceId> held = world_.cells()[cell].instances;
  std::size_t running = 0;
  for (const InstanceId instance : held) {
    const bool was_running = status_[instance].is_running;
    change(instance, [&](Status& status) {
      if (was_running) status.old_cell = cell;
      status.cell = kNowhere;
      status.is_running = false;
      ++status.generation;
    });
    if (was_running) {
      ++running;
    } else {  // containers that have not started are ended at once
      --starting_;
      world_.remove(instance, cell, true);
    }
    need(instance);
  }
  if (running == 0) return at(now_, std::move(drained));
  evacuations_[cell] = {running, std::move(drained)};
  at(now_ + timeout, [this, cell] {
    if (!evacuations_.contains(cell)) return;
    const std::vector<InstanceId> left = world_.cells()[cell].instances;
    for (const InstanceId instance : left) end_old_container(instance);
  });
}

void Timeline::bring_back(CellId cell) {
  world_.set_takes_work(cell, true);
  --cells_away_;
}

namespace {

SimTime second_of(SimTime time) { return std::chrono::floor<std::chrono::seconds>(time); }

}  // namespace

void Timeline::sample() {
  auto& samples = course_.samples;
  course_.most_starting = std::max(course_.most_starting, starting_);
  course_.most_unavailable = std::max(course_.most_unavailable, unavailable_);
  if (samples.empty() || samples.back().at != second_of(now_)) samples.push_back({.at = second_of(now_)});
  Sample& last = samples.back();
  last.starting = std::max(last.starting, starting_);
  last.unavailable = std::max(last.unavailable, unavailable_);
  last.waiting = std::max(last.waiting, pending_.size() + failed_.size());
  last.cells_away = std::max(last.cells_away, cells_away_);
}

// A sample has the maximum of its second; the value that then holds until `when` is a second sample.
void Timeline::sample_quiet_until(SimTime when) {
  const SimTime next = course_.samples.back().at + std::chrono::seconds(1);
  if (second_of(when) <= next) return;
  course_.samples.push_back({.at = next,
                             .starting = starting_,
                             .waiting = pending_.size() + failed_.size(),
                             .unavailable = unavailable_,
                             .cells_away = cells_away_});
}

Course Timeline::run() {
  sample();
  while (!events_.empty() && events_.top().at <= options_.horizon) {
    const SimTime when = events_.top().at;
    sample_quiet_until(when);
    course_.unavailable_seconds += static_cast<double>(unavailable_) * static_cast<double>((when - now_).count()) / 1e3;
    now_ = when;
    while (!events_.empty() && events_.top().at == now_) {
      const auto what = events_.top().what;
      events_.pop();
      what();
    }
    sample();
  }
  course_.ended = now_;
  course_.never_placed = pending_.size() + failed_.size();
  return std::move(course_);
}

}  // namespace rivera::simulation
