// All records of the BBS in memory, with the indices that rules and reads need.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "bbs/records/record.h"
#include "bbs/records/record_blocks.h"
#include "bbs/records/record_key.h"

namespace rivera::bbs {

// One record replaced: created if there is no `before`, deleted if there is no `after`.
template <typename Record>
struct Swap {
  std::shared_ptr<const Record> before;
  std::shared_ptr<const Record> after;
};
using Change = std::variant<Swap<ActualLRPRecord>, Swap<DesiredLRPRecord>, Swap<TaskRecord>, Swap<DomainRecord>>;

// The guid (or domain) that a change is about.
const std::string& subject_of(const Change& change);
RecordKey key_of(const Change& change);

// The up to three LRPs of one process guid and index (docs/spec/bbs.md §4.4).
struct LRPSet {
  std::array<ActualLRPPtr, 3> slots;  // by presence

  const ActualLRPPtr& ordinary() const { return slots[models::ActualLRP::ORDINARY]; }
  const ActualLRPPtr& evacuating() const { return slots[models::ActualLRP::EVACUATING]; }
  const ActualLRPPtr& suspect() const { return slots[models::ActualLRP::SUSPECT]; }
  ActualLRPPtr& operator[](models::ActualLRP::Presence presence) { return slots[presence]; }
  bool empty() const { return !slots[0] && !slots[1] && !slots[2]; }
  // The one that runs as this instance, whatever its presence; null if none does.
  ActualLRPPtr with_key(const models::ActualLRPInstanceKey& key) const;
};

struct Instance {
  std::int32_t index = 0;
  std::array<Place, 3> places{};  // of those of `lrps` that are there
  LRPSet lrps;
};

// A process guid's desired LRP (may be absent) and its instances, ordered by index. An instance may have no LRP: a gap,
// so that the removal of any instance costs O(1). The last one always has one.
struct Process {
  DesiredLRPPtr desired;
  std::vector<Instance> instances;
  std::uint32_t gaps = 0;  // fewer than half of the instances
  Place place = 0;         // of `desired`, if it is there

  // Null if there is none with this index.
  const Instance* instance(std::int32_t index) const;
};

// How many records there are of each kind (docs/spec/bbs.md §7.2).
struct Tally {
  std::int64_t unclaimed = 0, claimed = 0, running = 0, crashed = 0;  // ordinary
  std::int64_t suspect_running = 0, suspect_claimed = 0;
  std::int64_t desired_instances = 0;
};

// All records, unordered: a snapshot to read on another thread while Records changes.
struct RecordList {
  std::vector<DomainPtr> domains;
  std::vector<TaskPtr> tasks;
  std::vector<DesiredLRPPtr> desired_lrps;
  std::vector<ActualLRPPtr> actual_lrps;
  std::set<RecordKey> unreadable;
};

// Passive: apply() makes a change, revert() undoes it. The BBS has two instances: the Board's holds what is decided,
// the Ledger's holds what is durable. They share the records. Used on one strand.
class Records {
 public:
  void apply(const Change& change);
  void revert(const Change& change);
  void clear();

  const std::unordered_map<std::string, Process>& processes() const { return processes_; }
  const std::unordered_map<std::string, TaskPtr>& tasks() const { return tasks_; }
  const std::unordered_map<std::string, DomainPtr>& domains() const { return domains_; }

  const Process* process(const std::string& guid) const;
  LRPSet lrps(const std::string& guid, std::int32_t index) const;
  DesiredLRPPtr desired_lrp(const std::string& guid) const;
  TaskPtr task(const std::string& guid) const;
  DomainPtr domain(const std::string& name) const;

  using LRPs = std::unordered_set<ActualLRPPtr>;
  // Cells with LRPs on them, of any presence.
  const std::unordered_map<std::string, LRPs>& cells() const { return cells_; }
  const LRPs& lrps_on_cell(const std::string& cell) const;

  const Tally& tally() const { return tally_; }

  // Processes that changed since they were last settled. Convergence has to examine only these, plus the effects of
  // lost cells and of domains that become fresh. A settled process needs no examination before its next change.
  using Guids = std::unordered_set<std::string>;
  const Guids& unsettled() const { return unsettled_; }
  void settle(const std::string& guid) { unsettled_.erase(guid); }

  // The change that makes `after` of the record with this key; its `before` is what is here. Both absent: no change.
  Change change_to(const RecordKey& key, std::optional<Change> after) const;
  RecordList list() const;

  // Rows in the store that cannot be read (docs/spec/bbs.md §4.9). A row leaves this set when it is rewritten.
  const std::map<RecordKey, UnreadableRecord>& unreadable() const { return unreadable_; }
  bool is_unreadable(RecordKind kind, const std::string& guid) const { return unreadable_.contains({kind, guid}); }
  void mark_unreadable(UnreadableRecord record);
  void forget_unreadable(const RecordKey& key) { unreadable_.erase(key); }

  // All of them in blocks, for lists.
  const RecordBlocks<ActualLRPRecord>& actual_lrps() const { return actual_lrps_; }
  const RecordBlocks<DesiredLRPRecord>& desired_lrps() const { return desired_lrps_; }

  std::size_t actual_lrp_count() const { return actual_lrp_count_; }
  std::size_t desired_lrp_count() const { return desired_lrp_count_; }

 private:
  void replace(const ActualLRPPtr& out, const ActualLRPPtr& in);
  void replace(const DesiredLRPPtr& out, const DesiredLRPPtr& in);
  void replace(const TaskPtr& out, const TaskPtr& in);
  void replace(const DomainPtr& out, const DomainPtr& in);
  void put_into_slot(const ActualLRPRecord& of, const ActualLRPPtr& value);
  void forget_if_empty(const std::string& guid);
  void count(const ActualLRPRecord& lrp, int by);

  std::unordered_map<std::string, Process> processes_;
  RecordBlocks<ActualLRPRecord> actual_lrps_;
  RecordBlocks<DesiredLRPRecord> desired_lrps_;
  std::unordered_map<std::string, LRPs> cells_;
  std::unordered_map<std::string, TaskPtr> tasks_;
  std::unordered_map<std::string, DomainPtr> domains_;
  Guids unsettled_;
  Tally tally_;
  std::map<RecordKey, UnreadableRecord> unreadable_;
  std::size_t actual_lrp_count_ = 0;
  std::size_t desired_lrp_count_ = 0;
};

}  // namespace rivera::bbs
