#include <iterator>
#include <map>

#include <boost/asio/co_spawn.hpp>

#include "base/work/cancellation.h"
#include "bbs/api/guid_pages.h"
#include "bbs/api/services.h"
#include "bbs/records/prefetch.h"

namespace rivera::bbs {
namespace {

constexpr int kRetireAttempts = 5;

using LRPs = std::vector<ActualLRPPtr>;
using FoundLRPs = Found<ActualLRPRecord>;

bool matches(const ActualLRPRecord& r, const models::ActualLRPsRequest& request) {
  const auto& key = r.lrp.actual_lrp_key();
  if (!request.domain().empty() && key.domain() != request.domain()) return false;
  if (!request.cell_id().empty() && cell_id(r) != request.cell_id()) return false;
  if (!request.process_guid().empty() && key.process_guid() != request.process_guid()) return false;
  return request.optional_index_case() != models::ActualLRPsRequest::kIndex || key.index() == request.index();
}

void add_process(const Process& process, FoundLRPs& into) {
  for (const Instance& instance : process.instances) {
    for (const ActualLRPPtr& lrp : instance.lrps.slots) {
      if (lrp) into.push_back(&lrp);
    }
  }
}

void add_process(const Process& process, const models::ActualLRPsRequest& request, FoundLRPs& into) {
  for (const Instance& instance : process.instances) {
    for (const ActualLRPPtr& lrp : instance.lrps.slots) {
      if (lrp && matches(*lrp, request)) into.push_back(&lrp);
    }
  }
}

// Uses an index if there is one for the request.
FoundLRPs select_by_index(const Records& records, const models::ActualLRPsRequest& request) {
  FoundLRPs found;
  if (!request.process_guid().empty()) {
    const Process* process = records.process(request.process_guid());
    if (process) add_process(*process, request, found);
  } else {
    for (const ActualLRPPtr& lrp : records.lrps_on_cell(request.cell_id())) {
      if (matches(*lrp, request)) found.push_back(&lrp);
    }
  }
  return found;
}

bool has_index(const models::ActualLRPsRequest& request) {
  return !request.process_guid().empty() || !request.cell_id().empty();
}

bool wants_all(const models::ActualLRPsRequest& request) {
  return request.domain().empty() && request.optional_index_case() != models::ActualLRPsRequest::kIndex;
}

EncodedRecord as_wire(const ActualLRPPtr& record) { return {record, record->wire}; }

std::string encoded_group(const Group& group) {
  std::string bytes;
  if (group.instance) models::append_field(bytes, 1, group.instance->wire);
  if (group.evacuating) models::append_field(bytes, 2, group.evacuating->wire);
  return bytes;
}

// Groups the selected records; a filter may leave one slot of two (§4.9).
std::string body_of_groups(const LRPs& lrps) {
  std::unordered_map<std::string, std::map<std::int32_t, LRPSet>> sets;
  for (const ActualLRPPtr& lrp : lrps) sets[process_guid(*lrp)][instance_index(*lrp)][lrp->lrp.presence()] = lrp;
  std::string body;
  for (const auto& [guid, indices] : sets) {
    for (const auto& [index, set] : indices) models::append_field(body, 2, encoded_group(fold(set)));
  }
  return body;
}

}  // namespace

ActualLRPService::ActualLRPService(Api& api, asio::any_io_executor home, Ledger& ledger, base::WorkerPool& workers,
                                   RepCalls& reps)
    : home_(home), ledger_(ledger), workers_(workers), reps_(reps) {
  add_reads(api);
  add_transitions(api);
}

void ActualLRPService::add_reads(Api& api) {
  api.post_list<models::ActualLRPsRequest>("ActualLRPs", "/v1/actual_lrps/list",
                                           [this](auto request) { return list(std::move(request)); });
  api.post_list<models::ActualLRPsByProcessGuidsRequest>(
      "ActualLRPsByProcessGuids", "/v1/actual_lrps/list_by_process_guids",
      [this](auto request) { return list_by_guids(std::move(request)); });
  api.post<models::ActualLRPGroupsRequest>("ActualLRPGroups", "/v1/actual_lrp_groups/list",
                                           [this](auto request, Call) { return groups(std::move(request)); });
  api.post<models::ActualLRPGroupsByProcessGuidRequest>(
      "ActualLRPGroupsByProcessGuid", "/v1/actual_lrp_groups/list_by_process_guid",
      [this](auto request, Call) { return groups_by_guid(std::move(request)); });
  api.post<models::ActualLRPGroupByProcessGuidAndIndexRequest>(
      "ActualLRPGroupsByProcessGuidAndIndex", "/v1/actual_lrp_groups/get_by_process_guid_and_index",
      [this](auto request, Call) { return group(std::move(request)); });
}

void ActualLRPService::add_transitions(Api& api) {
  api.post<models::ClaimActualLRPRequest>("ClaimActualLRP", "/v1/actual_lrps/claim", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp now) { return board.claim(r, now); });
  });
  api.post<models::StartActualLRPRequest>("StartActualLRP", "/v1/actual_lrps/start.r1",
                                          [this](auto request, Call) { return start(std::move(request), false); });
  api.post<models::StartActualLRPRequest>("StartActualLRP_r0", "/v1/actual_lrps/start",
                                          [this](auto request, Call) { return start(std::move(request), true); });
  api.post<models::CrashActualLRPRequest>("CrashActualLRP", "/v1/actual_lrps/crash", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp now) { return board.crash(r, now); });
  });
  api.post<models::FailActualLRPRequest>("FailActualLRP", "/v1/actual_lrps/fail", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp now) { return board.fail(r, now); });
  });
  api.post<models::RemoveActualLRPRequest>("RemoveActualLRP", "/v1/actual_lrps/remove", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp) { return board.remove(r); });
  });
  api.post<models::RetireActualLRPRequest>(
      "RetireActualLRP", "/v1/actual_lrps/retire", [this](auto request, Call call) {
        return retire(std::move(*request.mutable_actual_lrp_key()), std::move(call.trace_id));
      });
}

// A domain alone selects nearly all records, so they are scanned.
asio::awaitable<RecordSnapshot<ActualLRPRecord>> ActualLRPService::scan(models::ActualLRPsRequest request) {
  auto take = [](const Records& records) { return records.actual_lrps().snapshot(); };
  RecordSnapshot<ActualLRPRecord> snapshot = co_await ledger_.read(std::move(take));
  if (!wants_all(request)) {
    auto selecting = select_from(snapshot, [&request](const ActualLRPRecord& r) { return matches(r, request); });
    co_await std::move(selecting);
  }
  co_return snapshot;
}

asio::awaitable<std::unique_ptr<EncodedList>> ActualLRPService::list(models::ActualLRPsRequest request) {
  if (!has_index(request)) {
    auto scanning = scan(std::move(request));
    RecordSnapshot<ActualLRPRecord> snapshot = co_await std::move(scanning);
    co_return as_list(std::move(snapshot), &ActualLRPRecord::wire);
  }
  auto look = [&](const Records& records) {
    return share_each<ActualLRPRecord>(select_by_index(records, request), as_wire);
  };
  EncodedRecords found = co_await ledger_.read(std::move(look));
  co_return as_list(std::move(found));
}

asio::awaitable<std::unique_ptr<EncodedList>> ActualLRPService::list_by_guids(
    models::ActualLRPsByProcessGuidsRequest request) {
  EncodedRecords selected;
  for (GuidPages pages(request.process_guids()); !pages.is_done();) {
    auto look = [&](const Records& records) {
      FoundLRPs found;
      pages.next([&](const std::string& guid) {
        const Process* process = records.process(guid);
        if (process) add_process(*process, found);
      });
      EncodedRecords shared = share_each<ActualLRPRecord>(found, as_wire);
      std::move(shared.begin(), shared.end(), std::back_inserter(selected));
    };
    co_await ledger_.read(std::move(look));
  }
  co_return as_list(std::move(selected));
}

// Groups are the form of old clients: their list is made by a worker.
asio::awaitable<std::string> ActualLRPService::groups_of(models::ActualLRPsRequest filter) {
  if (!has_index(filter)) {
    auto scanning = scan(std::move(filter));
    RecordSnapshot<ActualLRPRecord> snapshot = co_await std::move(scanning);
    auto encoding = [snapshot = std::move(snapshot)] { return body_of_groups(records_of(snapshot)); };
    co_return co_await workers_.run(std::move(encoding));
  }
  auto look = [&](const Records& records) {
    return share_each<ActualLRPRecord>(select_by_index(records, filter), [](const ActualLRPPtr& lrp) { return lrp; });
  };
  LRPs lrps = co_await ledger_.read(std::move(look));
  auto encoding = [lrps = std::move(lrps)] { return body_of_groups(lrps); };
  co_return co_await workers_.run(std::move(encoding));
}

asio::awaitable<std::string> ActualLRPService::groups(models::ActualLRPGroupsRequest request) {
  models::ActualLRPsRequest filter;
  filter.set_domain(request.domain());
  filter.set_cell_id(request.cell_id());
  return groups_of(std::move(filter));
}

asio::awaitable<std::string> ActualLRPService::groups_by_guid(models::ActualLRPGroupsByProcessGuidRequest request) {
  models::ActualLRPsRequest filter;
  filter.set_process_guid(request.process_guid());
  return groups_of(std::move(filter));
}

asio::awaitable<std::string> ActualLRPService::group(models::ActualLRPGroupByProcessGuidAndIndexRequest request) {
  auto look = [request = std::move(request)](const Records& records) {
    return records.lrps(request.process_guid(), request.index());
  };
  const LRPSet lrps = co_await ledger_.read(std::move(look));
  if (lrps.empty()) throw models::resource_not_found();
  std::string body;
  models::append_field(body, 2, encoded_group(fold(lrps)));
  co_return body;
}

asio::awaitable<std::string> ActualLRPService::change(Ledger::Operation operation) {
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  co_return body_of(outcome);
}

asio::awaitable<std::string> ActualLRPService::start(models::StartActualLRPRequest request, bool is_r0) {
  if (is_r0) {
    request.clear_actual_lrp_internal_routes();
    request.clear_metric_tags();
  }
  return change([r = std::move(request)](Board& board, base::Timestamp now) { return board.start(r, now); });
}

// The rep of its cell stops an instance, and removes its record when it has stopped. If the cell is missing, the record
// is removed at once (§4.5).
asio::awaitable<std::string> ActualLRPService::retire(models::ActualLRPKey key, std::string trace_id) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  std::optional<models::ModelError> error;
  for (int attempt = 0; attempt < kRetireAttempts; ++attempt) {
    auto look = [key](const Records& records) { return records.lrps(key.process_guid(), key.index()).ordinary(); };
    const ActualLRPPtr lrp = co_await ledger_.read(std::move(look));
    Ledger::Operation operation;
    if (lrp && is_on_a_cell(*lrp)) {
      try {
        const bool stopping = co_await stop_on_its_cell(lrp, trace_id);
        if (stopping) co_return std::string();
      } catch (const std::exception& e) {
        if (base::is_cancelled(cancellation)) throw;
        error = models::unknown_error(e.what());
        continue;
      }
      operation = [lrp, trace_id](Board& board, base::Timestamp) { return board.remove_if_unchanged(lrp, trace_id); };
    } else {
      operation = [key, trace_id](Board& board, base::Timestamp) { return board.retire(key, trace_id); };
    }
    const Outcome outcome = co_await ledger_.run(std::move(operation));
    if (!outcome.error || outcome.error->type() != models::Error::ResourceConflict) co_return body_of(outcome);
    error = outcome.error;
  }
  throw *error;
}

asio::awaitable<bool> ActualLRPService::stop_on_its_cell(ActualLRPPtr lrp, std::string trace_id) {
  auto stopping = reps_.stop_instance(StopInstance{std::move(lrp), std::move(trace_id)});
  co_return co_await asio::co_spawn(home_, std::move(stopping), asio::use_awaitable);
}

}  // namespace rivera::bbs
