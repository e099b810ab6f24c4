#include "bbs/board_model/board_model.h"

#include <algorithm>
#include <limits>

#include "models/nouns/desired_lrp.h"

namespace rivera::bbs {
namespace {

using models::ActualLRP;
using LRP = std::optional<ActualLRP>;

bool is(const LRP& lrp, std::string_view state) { return lrp && lrp->state() == state; }
bool is_on_a_cell(const LRP& lrp) { return is(lrp, "CLAIMED") || is(lrp, "RUNNING"); }
bool same(const LRP& a, const LRP& b) { return a && b ? *a == *b : !a && !b; }

std::string subject(const ActualLRP& lrp) {
  return lrp.actual_lrp_key().process_guid() + "/" + std::to_string(lrp.actual_lrp_key().index());
}

struct Scored {
  int score;
  std::string text;
};

// "Within one mutation the events are sorted by score, highest first, keeping the computed order among equals."
void append_sorted(std::vector<std::string>& into, std::vector<Scored> events) {
  std::stable_sort(events.begin(), events.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
  for (Scored& event : events) into.push_back(std::move(event.text));
}

std::string crashed(const ActualLRP& before, const ActualLRP& after) {
  return "crashed " + describe(before) + " -> " + describe(after);
}

// The group of §3.8: "the suspect wins unless the ordinary one is RUNNING".
struct Folded {
  LRP instance, evacuating;
  std::string text() const {
    return (instance ? " instance " + describe(*instance) : "") +
           (evacuating ? " evacuating " + describe(*evacuating) : "");
  }
  // §3.5, "resolved LRP".
  LRP resolved() const {
    return instance && (!evacuating || is(instance, "RUNNING") || is(instance, "CRASHED")) ? instance : evacuating;
  }
};

Folded fold(const std::array<LRP, 3>& rows) {
  const LRP& ordinary = rows[ActualLRP::ORDINARY];
  const LRP& suspect = rows[ActualLRP::SUSPECT];
  return {suspect && !is(ordinary, "RUNNING") ? suspect : ordinary, rows[ActualLRP::EVACUATING]};
}

Scored group_event(const Folded& before, const Folded& after) {
  const std::string from = before.text(), to = after.text();
  const int score = is(after.resolved(), "RUNNING") ? 1 : 0;
  if (from.empty()) return {score, "created" + to};
  if (to.empty()) return {0, "removed" + from};
  return {score, "changed" + from + " ->" + to};
}

}  // namespace

std::string describe(const ActualLRP& lrp) {
  const auto& instance = lrp.actual_lrp_instance_key();
  std::string text = subject(lrp) + "@" + lrp.actual_lrp_key().domain();
  text += " " + ActualLRP::Presence_Name(lrp.presence()) + " " + lrp.state();
  text += " by " + instance.instance_guid() + "@" + instance.cell_id();
  const auto& net = lrp.actual_lrp_net_info();
  text += " at " + net.address() + " " + net.instance_address();
  for (const auto& port : net.ports()) {
    text += ":" + std::to_string(port.container_port()) + "-" + std::to_string(port.host_port());
  }
  text += " crashes " + std::to_string(lrp.crash_count()) + " " + lrp.crash_reason();
  text += " unplaced " + lrp.placement_error() + " since " + std::to_string(lrp.since());
  text += " tag " + lrp.modification_tag().epoch() + "#" + std::to_string(lrp.modification_tag().index());
  text += lrp.optional_routable_case() != ActualLRP::kRoutable ? " no routable"
          : lrp.routable()                                     ? " routable"
                                                               : " not routable";
  text += " in " + lrp.availability_zone();
  for (const auto& route : lrp.actual_lrp_internal_routes()) text += " route " + route.hostname();
  const std::map<std::string, std::string> tags(lrp.metric_tags().begin(), lrp.metric_tags().end());
  for (const auto& [name, value] : tags) text += " " + name + "=" + value;
  return text;
}

std::string describe(const models::Task& task) { return task.ShortDebugString(); }
std::string describe(const models::DesiredLRP& lrp) { return lrp.ShortDebugString(); }

BoardModel::Rows BoardModel::rows(const std::string& guid, std::int32_t index) const {
  Rows found;
  for (const Presence presence : {LRP::ORDINARY, LRP::EVACUATING, LRP::SUSPECT}) {
    auto it = lrps.find({guid, index, presence});
    if (it != lrps.end()) found[presence] = it->second;
  }
  return found;
}

// §4.4: "A new UNCLAIMED row".
BoardModel::LRP BoardModel::unclaimed_row(const models::ActualLRPKey& key, base::Timestamp now) {
  LRP row;
  *row.mutable_actual_lrp_key() = key;
  row.set_state("UNCLAIMED");
  row.set_since(base::to_unix_nanos(now));
  row.mutable_modification_tag()->set_epoch(new_epoch());
  row.set_routable(false);
  return row;
}

// The table of §3.7.
void BoardModel::add_instance_events(ModelOutcome& outcome, const std::vector<Pair>& pairs, const std::string& trace,
                                     bool is_crash_call) const {
  std::vector<Scored> events;
  std::string about;
  const auto created = [&](const LRP& lrp) {
    events.push_back({lrp.state() == "RUNNING" ? 1 : 0, "created " + describe(lrp) + " trace " + trace});
  };
  const auto removed = [&](const LRP& lrp) { events.push_back({0, "removed " + describe(lrp) + " trace " + trace}); };
  for (const auto& [before, after] : pairs) {
    if (same(before, after)) continue;
    about = "instances " + subject(before ? *before : *after);
    if (!before) {
      created(*after);
    } else if (!after) {
      removed(*before);
    } else {
      if (is(after, "CRASHED") || is_crash_call) events.push_back({2, crashed(*before, *after)});
      if (is(after, "UNCLAIMED") && !is(before, "UNCLAIMED")) {
        created(*after);
        removed(*before);
      } else {
        events.push_back({is(after, "RUNNING") ? 1 : 0,
                          "changed " + describe(*before) + " -> " + describe(*after) + " trace " + trace});
      }
    }
  }
  if (!events.empty()) append_sorted(outcome.events[about], std::move(events));
}

// The table of §3.8.
void BoardModel::add_group_events(ModelOutcome& outcome, const Rows& before, const Rows& after,
                                  bool is_crash_call) const {
  const Folded from = fold(before), to = fold(after);
  std::vector<Scored> events;
  std::string about;
  for (const auto slot : {&Folded::instance, &Folded::evacuating}) {
    const auto& was = from.*slot;
    const auto& is_now = to.*slot;
    if (same(was, is_now)) continue;
    about = "groups " + subject(was ? *was : *is_now);
    const auto only = [slot](const std::optional<LRP>& lrp) {
      Folded group;
      group.*slot = lrp;
      return group;
    };
    if (!was || !is_now) {
      events.push_back(group_event(only(was), only(is_now)));
    } else if (is_crash_call) {
      events.push_back({2, crashed(*was, *is_now)});
      events.push_back(group_event(from, to));
    } else {
      if (is(is_now, "CRASHED")) events.push_back({2, crashed(*was, *is_now)});
      const auto& old_key = was->actual_lrp_instance_key();
      const bool is_another = !models::is_empty(old_key) && !(old_key == is_now->actual_lrp_instance_key());
      if (is_on_a_cell(is_now) && is_another) {
        events.push_back(group_event({}, only(is_now)));
        events.push_back(group_event(only(was), {}));
      } else {
        events.push_back(group_event(only(was), only(is_now)));
      }
    }
  }
  if (!events.empty()) append_sorted(outcome.events[about], std::move(events));
}

void BoardModel::add_events(ModelOutcome& outcome, const Rows& before, const Rows& after, const std::string& trace,
                            bool is_crash_call) const {
  add_instance_events(outcome, {{before[0], after[0]}, {before[1], after[1]}, {before[2], after[2]}}, trace,
                      is_crash_call);
  add_group_events(outcome, before, after, is_crash_call);
}

void BoardModel::create(ModelOutcome& outcome, const models::ActualLRPKey& key, base::Timestamp now,
                        const std::string& trace) {
  const Rows before = rows(key.process_guid(), key.index());
  put(unclaimed_row(key, now));
  add_events(outcome, before, rows(key.process_guid(), key.index()), trace);
}

void BoardModel::remove(ModelOutcome& outcome, const LRP& row, const std::string& trace) {
  const auto& key = row.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  erase(row);
  add_events(outcome, before, rows(key.process_guid(), key.index()), trace);
}

void BoardModel::auction(ModelOutcome& outcome, const std::string& guid, const std::vector<std::int32_t>& indices,
                         const std::string& trace) const {
  if (indices.empty() || !desired.contains(guid)) return;
  std::string text = "auction " + guid + " trace " + trace;
  for (const auto index : indices) text += " " + std::to_string(index);
  outcome.follow_ups.insert(std::move(text));
}

ModelOutcome BoardModel::upsert_domain(const models::UpsertDomainRequest& request, base::Timestamp now) {
  domains[request.domain()] = request.ttl() == 0
                                  ? std::numeric_limits<std::int64_t>::max()
                                  : base::to_unix_nanos(now) + std::int64_t{request.ttl()} * 1'000'000'000;
  return {};
}

// §4.3, Desire.
ModelOutcome BoardModel::desire_lrp(const models::DesiredLRP& request, base::Timestamp now, const std::string& trace) {
  ModelOutcome outcome;
  const std::string& guid = request.process_guid();
  if (desired.contains(guid)) {
    outcome.error = models::resource_exists();
    return outcome;
  }
  const models::DesiredLRP lrp = desired[guid] = models::as_stored(request, new_epoch());
  outcome.events["desired " + guid].push_back("created " + describe(lrp) + " trace " + trace);
  auction(outcome, guid, create_indices(outcome, lrp, 0, now, trace), trace);
  return outcome;
}

std::vector<std::int32_t> BoardModel::create_indices(ModelOutcome& outcome, const models::DesiredLRP& lrp,
                                                     std::int32_t first, base::Timestamp now,
                                                     const std::string& trace) {
  std::vector<std::int32_t> created;
  for (std::int32_t index = first; index < lrp.instances(); ++index) {
    if (lrps.contains({lrp.process_guid(), index, LRP::ORDINARY})) continue;  // "failures logged and skipped"
    create(outcome, models::actual_lrp_key(lrp.process_guid(), index, lrp.domain()), now, trace);
    created.push_back(index);
  }
  return created;
}

// §4.3, Update.
ModelOutcome BoardModel::update_desired_lrp(const models::UpdateDesiredLRPRequest& request, base::Timestamp now,
                                            const std::string& trace) {
  ModelOutcome outcome;
  const std::string& guid = request.process_guid();
  const auto found = desired.find(guid);
  if (found == desired.end()) {
    outcome.error = models::resource_not_found();
    return outcome;
  }
  const models::DesiredLRP before = found->second;
  try {
    models::apply_update(found->second, request.update());
  } catch (const models::ModelError& e) {
    found->second = before;
    outcome.error = e;
    return outcome;
  }
  const models::DesiredLRP after = found->second;
  if (after.instances() > before.instances()) {
    auction(outcome, guid, create_indices(outcome, after, before.instances(), now, trace), trace);
  } else if (after.instances() < before.instances()) {
    stop_from(outcome, guid, after.instances(), trace);
  }
  const bool routes = request.update().has_routes() && models::internal_routes_differ(before.routes(), after.routes());
  const bool tags = !models::metric_tags_equal(before.metric_tags(), after.metric_tags());
  if (routes || tags) update_reps(outcome, after, routes, tags, trace);
  outcome.events["desired " + guid].push_back("changed " + describe(before) + " -> " + describe(after) + " trace " +
                                              trace);
  return outcome;
}

// §4.3, Remove.
ModelOutcome BoardModel::remove_desired_lrp(const std::string& guid, const std::string& trace) {
  ModelOutcome outcome;
  if (!desired.contains(guid)) {
    outcome.error = models::resource_not_found();
    return outcome;
  }
  outcome.events["desired " + guid].push_back("removed " + describe(desired[guid]) + " trace " + trace);
  desired.erase(guid);
  stop_from(outcome, guid, 0, trace);
  return outcome;
}

// §4.3, "Stopping instances". The rule about unknown cells is that of the calls to reps.
void BoardModel::stop_from(ModelOutcome& outcome, const std::string& guid, std::int32_t first,
                           const std::string& trace) {
  const auto all = lrps;
  for (const auto& [slot, row] : all) {
    if (slot.process_guid != guid || slot.index < first || slot.presence == LRP::EVACUATING) continue;
    if (is_on_a_cell(row)) {
      outcome.follow_ups.insert("stop " + describe(row) + " trace " + trace);
    } else {
      remove(outcome, row, trace);
    }
  }
}

// §4.3, "Updating instances".
void BoardModel::update_reps(ModelOutcome& outcome, const models::DesiredLRP& lrp, bool routes, bool tags,
                             const std::string& trace) const {
  for (const auto& [slot, row] : lrps) {
    if (slot.process_guid != lrp.process_guid() || slot.presence == LRP::EVACUATING || !is_on_a_cell(row)) continue;
    std::string text = "update " + describe(row) + " trace " + trace;
    if (routes) {
      text += " routes";
      for (const auto& host : models::internal_routes(lrp)) text += " " + host;
    }
    if (tags) {
      text += " tags";
      const auto& instance = row.actual_lrp_instance_key().instance_guid();
      for (const auto& [name, value] : models::evaluated_tags(lrp.metric_tags(), slot.index, instance)) {
        text += " " + name + "=" + value;
      }
    }
    outcome.follow_ups.insert(std::move(text));
  }
}

}  // namespace rivera::bbs
