#include "bbs/records/records.h"

#include <algorithm>

#include "base/check.h"

namespace rivera::bbs {
namespace {

const std::string& subject(const ActualLRPRecord& r) { return process_guid(r); }
const std::string& subject(const DesiredLRPRecord& r) { return r.lrp.process_guid(); }
const std::string& subject(const TaskRecord& r) { return r.task.task_guid(); }
const std::string& subject(const DomainRecord& r) { return r.name; }

RecordKey key(const ActualLRPRecord& r) {
  return {RecordKind::kActualLRP, process_guid(r), instance_index(r), r.lrp.presence()};
}
RecordKey key(const DesiredLRPRecord& r) { return {RecordKind::kDesiredLRP, subject(r)}; }
RecordKey key(const TaskRecord& r) { return {RecordKind::kTask, subject(r)}; }
RecordKey key(const DomainRecord& r) { return {RecordKind::kDomain, subject(r)}; }

constexpr std::int32_t kReserved = 64;  // instances

// One more instance of the process has no LRP. Constant time on average.
void leave_gap(Process& process) {
  auto& instances = process.instances;
  ++process.gaps;
  for (; !instances.empty() && instances.back().lrps.empty(); --process.gaps) instances.pop_back();
  if (std::size_t{2} * process.gaps < instances.size()) return;
  std::erase_if(instances, [](const Instance& instance) { return instance.lrps.empty(); });
  process.gaps = 0;
}

auto lower_bound(std::vector<Instance>& instances, std::int32_t index) {
  return std::lower_bound(instances.begin(), instances.end(), index,
                          [](const Instance& i, std::int32_t wanted) { return i.index < wanted; });
}

// Puts `value`, which may be null, where `at` is.
template <typename Record>
void put(const std::shared_ptr<const Record>& value, std::shared_ptr<const Record>& at, Place& place,
         RecordBlocks<Record>& blocks) {
  if (value && at) {
    blocks.replace(place, value);
  } else if (value) {
    place = blocks.add(value);
  } else if (at) {
    blocks.remove(place);
  }
  at = value;
}

bool share_a_slot(const ActualLRPRecord& a, const ActualLRPRecord& b) {
  return a.lrp.presence() == b.lrp.presence() && instance_index(a) == instance_index(b) &&
         process_guid(a) == process_guid(b);
}

}  // namespace

const std::string& subject_of(const Change& change) {
  return std::visit(
      [](const auto& swap) -> const std::string& { return subject(swap.after ? *swap.after : *swap.before); }, change);
}

RecordKey key_of(const Change& change) {
  return std::visit([](const auto& swap) { return key(swap.after ? *swap.after : *swap.before); }, change);
}

ActualLRPPtr LRPSet::with_key(const models::ActualLRPInstanceKey& key) const {
  for (const auto& lrp : slots) {
    if (lrp && has_key(*lrp, key)) return lrp;
  }
  return nullptr;
}

const Instance* Process::instance(std::int32_t index) const {
  const auto at = std::lower_bound(instances.begin(), instances.end(), index,
                                   [](const Instance& i, std::int32_t wanted) { return i.index < wanted; });
  return at == instances.end() || at->index != index ? nullptr : &*at;
}

void Records::apply(const Change& change) {
  if (!unreadable_.empty()) unreadable_.erase(key_of(change));
  std::visit([this](const auto& swap) { replace(swap.before, swap.after); }, change);
}

void Records::revert(const Change& change) {
  std::visit([this](const auto& swap) { replace(swap.after, swap.before); }, change);
}

void Records::clear() { *this = Records(); }

const Process* Records::process(const std::string& guid) const {
  auto it = processes_.find(guid);
  return it == processes_.end() ? nullptr : &it->second;
}

LRPSet Records::lrps(const std::string& guid, std::int32_t index) const {
  const Process* found = process(guid);
  const Instance* instance = found ? found->instance(index) : nullptr;
  return instance ? instance->lrps : LRPSet();
}

DesiredLRPPtr Records::desired_lrp(const std::string& guid) const {
  const Process* found = process(guid);
  return found ? found->desired : nullptr;
}

TaskPtr Records::task(const std::string& guid) const {
  auto it = tasks_.find(guid);
  return it == tasks_.end() ? nullptr : it->second;
}

DomainPtr Records::domain(const std::string& name) const {
  auto it = domains_.find(name);
  return it == domains_.end() ? nullptr : it->second;
}

Change Records::change_to(const RecordKey& key, std::optional<Change> after) const {
  const auto with = [&after](auto before) -> Change {
    using Of = Swap<std::remove_const_t<typename decltype(before)::element_type>>;
    return Of{std::move(before), after ? std::get<Of>(*after).after : nullptr};
  };
  switch (key.kind) {
    case RecordKind::kDomain:
      return with(domain(key.guid));
    case RecordKind::kTask:
      return with(task(key.guid));
    case RecordKind::kDesiredLRP:
      return with(desired_lrp(key.guid));
    case RecordKind::kActualLRP: {
      const bool is_known = models::ActualLRP::Presence_IsValid(key.presence);
      const auto slot = static_cast<std::size_t>(key.presence);
      return with(is_known ? lrps(key.guid, key.index).slots[slot] : ActualLRPPtr());
    }
  }
  throw std::logic_error("unknown kind of record");
}

RecordList Records::list() const {
  RecordList list;
  list.desired_lrps.reserve(desired_lrp_count_);
  list.actual_lrps.reserve(actual_lrp_count_);
  for (const auto& [name, domain] : domains_) list.domains.push_back(domain);
  for (const auto& [guid, task] : tasks_) list.tasks.push_back(task);
  for (const auto& [guid, process] : processes_) {
    if (process.desired) list.desired_lrps.push_back(process.desired);
    for (const Instance& instance : process.instances) {
      for (const ActualLRPPtr& lrp : instance.lrps.slots) {
        if (lrp) list.actual_lrps.push_back(lrp);
      }
    }
  }
  for (const auto& [key, record] : unreadable_) list.unreadable.insert(key);
  return list;
}

void Records::mark_unreadable(UnreadableRecord record) {
  RecordKey key = record.key;
  unreadable_.insert_or_assign(std::move(key), std::move(record));
}

const Records::LRPs& Records::lrps_on_cell(const std::string& cell) const {
  static const LRPs kNone;
  auto it = cells_.find(cell);
  return it == cells_.end() ? kNone : it->second;
}

void Records::put_into_slot(const ActualLRPRecord& of, const ActualLRPPtr& value) {
  Process& process = processes_[process_guid(of)];
  auto& instances = process.instances;
  if (instances.empty() && process.desired) {
    // Most processes have few instances; growing would leave almost as much unused.
    instances.reserve(static_cast<std::size_t>(std::clamp(process.desired->lrp.instances(), 1, kReserved)));
  }
  auto at = lower_bound(instances, instance_index(of));
  if (at == instances.end() || at->index != instance_index(of)) {
    RIVERA_CHECK(value, "an actual LRP that is taken out is here");
    at = instances.insert(at, Instance{.index = instance_index(of), .places = {}, .lrps = {}});
  } else if (at->lrps.empty()) {
    --process.gaps;
  }
  const models::ActualLRP::Presence presence = of.lrp.presence();
  put(value, at->lrps[presence], at->places[static_cast<std::size_t>(presence)], actual_lrps_);
  if (at->lrps.empty()) leave_gap(process);
}

void Records::count(const ActualLRPRecord& lrp, int by) {
  const std::string& state = lrp.lrp.state();
  const bool running = state == models::kRunning;
  switch (lrp.lrp.presence()) {
    case models::ActualLRP::ORDINARY:
      (running                       ? tally_.running
       : state == models::kClaimed   ? tally_.claimed
       : state == models::kUnclaimed ? tally_.unclaimed
                                     : tally_.crashed) += by;
      break;
    case models::ActualLRP::SUSPECT:
      (running ? tally_.suspect_running : tally_.suspect_claimed) += by;
      break;
    default:  // no metric counts evacuating LRPs
      break;
  }
}

void Records::replace(const ActualLRPPtr& out, const ActualLRPPtr& in) {
  RIVERA_CHECK(out || in, "a change has a record before or after it");
  unsettled_.insert(process_guid(in ? *in : *out));
  if (out) {
    count(*out, -1);
    if (!in || !share_a_slot(*out, *in)) put_into_slot(*out, nullptr);
    RIVERA_CHECK(actual_lrp_count_ > 0, "no more actual LRPs are taken out than were put in");
    --actual_lrp_count_;
    if (!cell_id(*out).empty()) {
      const auto it = cells_.find(cell_id(*out));
      RIVERA_CHECK(it != cells_.end() && it->second.erase(out) == 1, "an LRP that is taken out is on its cell");
      if (it->second.empty()) cells_.erase(it);
    }
  }
  if (in) {
    put_into_slot(*in, in);
    count(*in, 1);
    ++actual_lrp_count_;
    if (!cell_id(*in).empty()) cells_[cell_id(*in)].insert(in);
  }
  if (out && !in) forget_if_empty(process_guid(*out));
}

void Records::replace(const DesiredLRPPtr& out, const DesiredLRPPtr& in) {
  RIVERA_CHECK(out || in, "a change has a record before or after it");
  unsettled_.insert((in ? in : out)->lrp.process_guid());
  if (in) tally_.desired_instances += in->lrp.instances();
  if (out) tally_.desired_instances -= out->lrp.instances();
  if (in) {
    Process& process = processes_[in->lrp.process_guid()];
    RIVERA_CHECK(process.desired == out, "a desired LRP is replaced by its successor");
    put(in, process.desired, process.place, desired_lrps_);
  } else {
    Process& process = processes_[out->lrp.process_guid()];
    RIVERA_CHECK(process.desired == out, "a desired LRP that is taken out is here");
    put({}, process.desired, process.place, desired_lrps_);
    forget_if_empty(out->lrp.process_guid());
  }
  desired_lrp_count_ += (in ? 1 : 0);
  desired_lrp_count_ -= (out ? 1 : 0);
}

void Records::replace(const TaskPtr& out, const TaskPtr& in) {
  RIVERA_CHECK(out || in, "a change has a record before or after it");
  if (in) {
    TaskPtr& task = tasks_[in->task.task_guid()];
    RIVERA_CHECK(task == out, "a task is replaced by its successor");
    task = in;
  } else {
    RIVERA_CHECK(tasks_.erase(out->task.task_guid()) == 1, "a task that is taken out is here");
  }
}

void Records::replace(const DomainPtr& out, const DomainPtr& in) {
  RIVERA_CHECK(out || in, "a change has a record before or after it");
  if (in) {
    domains_[in->name] = in;
  } else {
    RIVERA_CHECK(domains_.erase(out->name) == 1, "a domain that is taken out is here");
  }
}

void Records::forget_if_empty(const std::string& guid) {
  auto it = processes_.find(guid);
  if (it == processes_.end() || it->second.desired || !it->second.instances.empty()) return;
  processes_.erase(it);
  unsettled_.erase(guid);
}

}  // namespace rivera::bbs
