// Random operations on the Board and on its model: same errors, answers, events, follow-ups and rows after each.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "bbs/board/board_testing.h"
#include "bbs/board_model/board_invariants.h"
#include "bbs/board_model/board_operation.h"

namespace rivera::bbs {
namespace {

using Problem = std::optional<std::string>;

// Episodes start from an empty Board, so that a failing one is short enough to be shortened further.
constexpr int kEpisode = 250;
// All rows are compared from time to time; the rows that an operation changed, after each operation.
constexpr int kFullComparison = 25;

std::string describe(const ActualLRPPtr& row) { return bbs::describe(row->whole()); }
std::string subject(const ActualLRPRecord& r) { return process_guid(r) + "/" + std::to_string(instance_index(r)); }
std::string text_of(const std::optional<models::ModelError>& error) {
  return error ? models::Error::Type_Name(error->type()) + ": " + error->message() : "none";
}

// The Board's events in the model's notation.
struct EventText {
  const Event& event;
  std::map<std::string, std::vector<std::string>>& into;

  template <typename E, typename Describe>
  static std::string of(const E& e, Describe describe_one) {
    if (!e.before) return "created " + describe_one(e.after);
    if (!e.after) return "removed " + describe_one(e.before);
    return "changed " + describe_one(e.before) + " -> " + describe_one(e.after);
  }
  static std::string of(const Group& group) {
    return (group.instance ? " instance " + describe(group.instance) : "") +
           (group.evacuating ? " evacuating " + describe(group.evacuating) : "");
  }

  void operator()(const DesiredLRPEvent& e) const {
    const auto text = [](const DesiredLRPPtr& r) { return bbs::describe(r->whole()); };
    into["desired " + (e.after ? e.after : e.before)->lrp.process_guid()].push_back(of(e, text) + " trace " +
                                                                                    e.trace_id);
  }
  void operator()(const InstanceEvent& e) const {
    const auto text = [](const ActualLRPPtr& r) { return describe(r); };
    into["instances " + subject(e.after ? *e.after : *e.before)].push_back(of(e, text) + " trace " + e.trace_id);
  }
  void operator()(const GroupEvent& e) const {
    const ActualLRPPtr& any = e.after.empty() ? e.before.resolved() : e.after.resolved();
    const std::string before = of(e.before), after = of(e.after);
    into["groups " + subject(*any)].push_back(before.empty()  ? "created" + after
                                              : after.empty() ? "removed" + before
                                                              : "changed" + before + " ->" + after);
  }
  void operator()(const CrashEvent& e) const {
    into[(event.hub == Hub::kGroup ? "groups " : "instances ") + subject(*e.after)].push_back(
        "crashed " + describe(e.before) + " -> " + describe(e.after));
  }
  void operator()(const TaskEvent& e) const {
    const auto text = [](const TaskPtr& r) { return bbs::describe(r->task); };
    into["tasks " + (e.after ? e.after : e.before)->task.task_guid()].push_back(of(e, text));
  }
};

struct FollowUpText {
  std::string operator()(const AuctionLRP& a) const {
    std::string text = "auction " + a.desired->lrp.process_guid() + " trace " + a.trace_id;
    const std::set<std::int32_t> indices(a.indices.begin(), a.indices.end());  // in any order
    for (const auto index : indices) text += " " + std::to_string(index);
    return text;
  }
  std::string operator()(const AuctionTask& a) const {
    return "auction-task " + a.task->task.task_guid() + " trace " + a.trace_id;
  }
  std::string operator()(const StopInstance& s) const { return "stop " + describe(s.lrp) + " trace " + s.trace_id; }
  std::string operator()(const UpdateInstance& u) const {
    std::string text = "update " + describe(u.lrp) + " trace " + u.trace_id;
    if (u.internal_routes) text += " routes";
    for (const auto& host : u.internal_routes.value_or(std::vector<std::string>())) text += " " + host;
    if (u.metric_tags) text += " tags";
    for (const auto& [name, value] : u.metric_tags.value_or(std::map<std::string, std::string>())) {
      text += " " + name + "=" + value;
    }
    return text;
  }
  std::string operator()(const CancelTaskOnCell& c) const {
    return "cancel " + c.task_guid + " on " + c.cell_id + " trace " + c.trace_id;
  }
  std::string operator()(const CompletionCallback& c) const { return "call back " + bbs::describe(c.task->task); }
};

ModelOutcome in_the_models_words(const Outcome& outcome) {
  ModelOutcome words;
  words.error = outcome.error;
  words.answer = outcome.answer;
  for (const Event& event : outcome.events) std::visit(EventText{event, words.events}, event.what);
  for (const FollowUp& follow_up : outcome.follow_ups) words.follow_ups.insert(std::visit(FollowUpText{}, follow_up));
  return words;
}

// A Board and its model side by side.
class SideBySide {
 public:
  // Runs one operation on both; returns the difference or the violated invariant.
  Problem step(const BoardOperation& operation) {
    clock_.advance(operation.wait);
    const BoardModel saved = operation.is_taken_back ? model_ : BoardModel();
    const Records before = operation.converges_with ? board_.records() : Records();
    const Outcome outcome = operation.real(board_, clock_.now());
    ModelOutcome expected = operation.model(model_, clock_.now());
    if (Problem problem = adopt_epochs(outcome, expected)) return problem;
    if (operation.is_foreign) return learn_all();
    if (Problem problem = compare(in_the_models_words(outcome), expected)) return problem;
    if (Problem problem = compare_changed(outcome)) return problem;
    if (operation.is_taken_back) {
      for (auto change = outcome.changes.rbegin(); change != outcome.changes.rend(); ++change) board_.revert(*change);
      model_ = saved;
      return compare_all();
    }
    if (Problem problem = check_invariants(operation, outcome, before)) return problem;
    return ++steps_ % kFullComparison == 0 ? compare_all() : std::nullopt;
  }

  Problem compare_all() const {
    const Records& records = board_.records();
    if (records.actual_lrp_count() != model_.lrps.size()) return "the number of actual LRPs differs";
    if (records.desired_lrp_count() != model_.desired.size()) return "the number of desired LRPs differs";
    if (records.tasks().size() != model_.tasks.size()) return "the number of tasks differs";
    if (records.domains().size() != model_.domains.size()) return "the number of domains differs";
    for (const auto& [slot, row] : model_.lrps) {
      if (Problem problem = compare_row(slot)) return problem;
    }
    for (const auto& [guid, lrp] : model_.desired) {
      const DesiredLRPPtr found = records.desired_lrp(guid);
      if (!found || bbs::describe(found->whole()) != bbs::describe(lrp)) return "the desired LRP differs: " + guid;
    }
    for (const auto& [guid, task] : model_.tasks) {
      const TaskPtr found = records.task(guid);
      if (!found || bbs::describe(found->task) != bbs::describe(task)) return "the task differs: " + guid;
    }
    for (const auto& [name, expires_at] : model_.domains) {
      const DomainPtr found = records.domain(name);
      if (!found || found->expires_at != expires_at) return "the domain differs: " + name;
    }
    return BoardInvariants::check_rows(records);
  }

  const BoardModel& model() const { return model_; }

 private:
  // Replaces the model's placeholders for new epochs by the guids that the Board made.
  Problem adopt_epochs(const Outcome& outcome, ModelOutcome& expected) {
    for (const Change& change : outcome.changes) {
      if (const auto* swap = std::get_if<Swap<ActualLRPRecord>>(&change); swap && swap->after) {
        auto row = model_.lrps.find(models::slot_of(swap->after->lrp));
        if (row != model_.lrps.end())
          adopt(*row->second.mutable_modification_tag(), swap->after->lrp.modification_tag(), expected);
      } else if (const auto* desired = std::get_if<Swap<DesiredLRPRecord>>(&change); desired && desired->after) {
        auto lrp = model_.desired.find(desired->after->lrp.process_guid());
        if (lrp != model_.desired.end())
          adopt(*lrp->second.mutable_modification_tag(), desired->after->lrp.modification_tag(), expected);
      }
    }
    return std::nullopt;
  }

  static void adopt(models::ModificationTag& placeholder, const models::ModificationTag& made, ModelOutcome& expected) {
    const std::string old = placeholder.epoch();
    if (!old.starts_with("~")) return;
    placeholder.set_epoch(made.epoch());
    const auto rename = [&](std::string& text) {
      for (auto at = text.find(old); at != std::string::npos; at = text.find(old)) {
        text.replace(at, old.size(), made.epoch());
      }
    };
    for (auto& [about, texts] : expected.events) std::for_each(texts.begin(), texts.end(), rename);
    std::multiset<std::string> renamed;
    for (std::string text : expected.follow_ups) {
      rename(text);
      renamed.insert(std::move(text));
    }
    expected.follow_ups = std::move(renamed);
  }

  // Every row, known from now on without having been made by a rule.
  Problem learn_all() {
    for (const auto& [guid, process] : board_.records().processes()) {
      for (const Instance& instance : process.instances) {
        for (const ActualLRPPtr& row : instance.lrps.slots) {
          if (row) invariants_.learn(row);
        }
      }
    }
    return std::nullopt;
  }

  static Problem compare(const ModelOutcome& real, const ModelOutcome& expected) {
    if (text_of(real.error) != text_of(expected.error)) {
      return "error: " + text_of(real.error) + "\n  expected: " + text_of(expected.error);
    }
    if (real.answer != expected.answer) return std::string("answer: ") + (real.answer ? "true" : "false");
    std::string differences;
    for (const auto& [about, texts] : real.events) {
      const auto same = expected.events.find(about);
      if (same != expected.events.end() && same->second == texts) continue;
      differences += "\n  published about " + about + ":";
      for (const auto& text : texts) differences += "\n    " + text;
    }
    for (const auto& [about, texts] : expected.events) {
      const auto same = real.events.find(about);
      if (same != real.events.end() && same->second == texts) continue;
      differences += "\n  expected about " + about + ":";
      for (const auto& text : texts) differences += "\n    " + text;
    }
    if (!differences.empty()) return "events differ:" + differences;
    if (real.follow_ups == expected.follow_ups) return std::nullopt;
    for (const auto& text : real.follow_ups) differences += "\n  asked: " + text;
    for (const auto& text : expected.follow_ups) differences += "\n  expected: " + text;
    return "follow-ups differ:" + differences;
  }

  Problem compare_row(const models::LRPSlot& slot) const {
    LRPSet lrps = board_.records().lrps(slot.process_guid, slot.index);
    const ActualLRPPtr found = lrps[slot.presence];
    const auto expected = model_.lrps.find(slot);
    const std::string is = found ? describe(found) : "nothing";
    const std::string should_be = expected == model_.lrps.end() ? "nothing" : bbs::describe(expected->second);
    if (is == should_be) return std::nullopt;
    return "row: " + is + "\n  expected: " + should_be;
  }

  Problem compare_changed(const Outcome& outcome) const {
    for (const Change& change : outcome.changes) {
      const auto* swap = std::get_if<Swap<ActualLRPRecord>>(&change);
      if (!swap) continue;
      for (const ActualLRPPtr& row : {swap->before, swap->after}) {
        if (!row) continue;
        if (Problem problem = compare_row(models::slot_of(row->lrp))) return problem;
      }
    }
    return std::nullopt;
  }

  Problem check_invariants(const BoardOperation& operation, const Outcome& outcome, const Records& before) {
    if (Problem problem = invariants_.check_changes(outcome, clock_.now())) return problem;
    if (operation.is_evacuation) return BoardInvariants::check_one_at_a_time(outcome, board_.records());
    if (!operation.converges_with) return std::nullopt;
    if (Problem problem =
            BoardInvariants::check_removals(outcome, before, board_.records(), *operation.converges_with)) {
      return problem;
    }
    return BoardInvariants::check_idempotence(board_, *operation.converges_with, clock_.now());
  }

  base::ManualClock clock_;
  Board board_{BoardOptions{}, guids_in_order()};
  BoardModel model_;
  BoardInvariants invariants_;
  int steps_ = 0;
};

Problem replay(const std::vector<BoardOperation>& operations) {
  SideBySide both;
  for (const BoardOperation& operation : operations) {
    if (Problem problem = both.step(operation)) return problem;
  }
  return both.compare_all();
}

// Removes operations one by one, from the end, that the failure does not need.
std::vector<BoardOperation> shortened(std::vector<BoardOperation> operations) {
  for (std::size_t i = operations.size(); i-- > 0;) {
    std::vector<BoardOperation> fewer = operations;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (replay(fewer)) operations = std::move(fewer);
  }
  return operations;
}

void report(std::uint64_t seed, const std::vector<BoardOperation>& failing) {
  const std::vector<BoardOperation> short_one = shortened(failing);
  std::string text = "RIVERA_BOARD_PROPERTY_SEED=" + std::to_string(seed) + " fails after these operations:";
  for (const BoardOperation& operation : short_one) {
    text += "\n  +" + std::to_string(operation.wait.count()) + "ns " + operation.text();
  }
  const Problem problem = replay(short_one);
  FAIL() << text << "\n" << problem.value_or("(not the second time)");
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(BoardProperty, DoesWhatTheModelDoes) {
  const std::uint64_t steps = number_from("RIVERA_BOARD_PROPERTY_STEPS", 10'000);
  const std::uint64_t first_seed = number_from("RIVERA_BOARD_PROPERTY_SEED", 1);
  for (std::uint64_t episode = 0; episode * kEpisode < steps; ++episode) {
    const std::uint64_t seed = first_seed + episode;
    OperationSource source(seed);
    SideBySide both;
    std::vector<BoardOperation> done;
    for (int i = 0; i < kEpisode; ++i) {
      done.push_back(source.next(both.model()));
      if (both.step(done.back())) return report(seed, done);
    }
    if (both.compare_all()) return report(seed, done);
  }
}

}  // namespace
}  // namespace rivera::bbs
