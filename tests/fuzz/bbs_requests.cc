#include <array>

#include "bbs/board/board.h"
#include "bbs/events/event_audience.h"
#include "bbs/rows/rows.h"
#include "models/forms/wire.h"
#include "models/testing/testing.h"
#include "models/validation/validation.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

using namespace bbs;
using models::testing::a_desired_lrp;
using models::testing::a_task;
using models::testing::an_actual_lrp;

// One record of each kind that requests of the corpus may meet.
Board a_board() {
  Records records;
  const auto desired = models::as_stored(a_desired_lrp("p").with_instances(3), "epoch");
  records.apply(Swap<DesiredLRPRecord>{nullptr, make_desired_lrp(desired, 1)});
  records.apply(Swap<ActualLRPRecord>{nullptr, make_actual_lrp(an_actual_lrp("p", 0).running_on("c1", "i1"))});
  records.apply(Swap<ActualLRPRecord>{nullptr, make_actual_lrp(an_actual_lrp("p", 1).claimed_by("c1", "i2"))});
  records.apply(Swap<ActualLRPRecord>{nullptr, make_actual_lrp(an_actual_lrp("p", 2))});
  records.apply(Swap<TaskRecord>{nullptr, make_task(a_task("t"))});
  Board board{BoardOptions{}, [] { return std::string("a guid"); }};
  board.load(std::move(records));
  return board;
}

base::Timestamp now() { return base::from_unix_nanos(1'700'000'000'000'000'000); }

void check_encoding(google::protobuf::Message& message, const std::string& wire) {
  std::unique_ptr<google::protobuf::Message> again(message.New());
  if (!models::decode(wire, *again)) broken("a record's bytes can be decoded");
}

void check(const Outcome& outcome) {
  for (const Event& event : outcome.events) {
    if (encode(event, EventForm::kCurrent).empty() || name_of(event).empty()) broken("an event has a name and bytes");
    encode(event, EventForm::kR0);
    if (is_filtered_by_cell(event.hub)) cells_of(event);
  }
  for (const Change& change : outcome.changes) {
    if (const auto* swap = std::get_if<Swap<DesiredLRPRecord>>(&change); swap && swap->after) {
      models::DesiredLRP lrp = swap->after->whole();
      check_encoding(lrp, swap->after->wire);
    }
  }
}

template <typename Request, typename Carry>
void call(std::string_view body, Carry carry_out) {
  const auto request = models::decode_request<Request>(body);
  models::validate(request);
  Board board = a_board();
  const Outcome outcome = carry_out(board, request);
  fits_its_columns(outcome.changes);
  check(outcome);
  for (auto change = outcome.changes.rbegin(); change != outcome.changes.rend(); ++change) board.revert(*change);
  if (board.records().actual_lrp_count() != 3 || board.records().tasks().size() != 1) {
    broken("an operation can be taken back");
  }
}

template <typename Request>
void read_only(std::string_view body) {
  models::validate(models::decode_request<Request>(body));
}

template <typename Request, Outcome (Board::*Operation)(const Request&, base::Timestamp)>
void timed(std::string_view body) {
  call<Request>(body, [](Board& board, const Request& request) { return (board.*Operation)(request, now()); });
}
template <typename Request, Outcome (Board::*Operation)(const Request&)>
void plain(std::string_view body) {
  call<Request>(body, [](Board& board, const Request& request) { return (board.*Operation)(request); });
}
template <typename Request, Outcome (Board::*Operation)(const Request&, base::Timestamp, const std::string&)>
void traced(std::string_view body) {
  call<Request>(body, [](Board& board, const Request& request) { return (board.*Operation)(request, now(), "t"); });
}

void desire_lrp(std::string_view body) {
  call<models::DesireLRPRequest>(
      body, [](Board& board, const auto& request) { return board.desire_lrp(request.desired_lrp(), now(), ""); });
}
void remove_desired_lrp(std::string_view body) {
  call<models::RemoveDesiredLRPRequest>(
      body, [](Board& board, const auto& request) { return board.remove_desired_lrp(request.process_guid(), ""); });
}
void retire(std::string_view body) {
  call<models::RetireActualLRPRequest>(
      body, [](Board& board, const auto& request) { return board.retire(request.actual_lrp_key(), ""); });
}
void cancel_task(std::string_view body) {
  call<models::TaskGuidRequest>(
      body, [](Board& board, const auto& request) { return board.cancel_task(request.task_guid(), now(), ""); });
}
void fail_task(std::string_view body) {
  call<models::FailTaskRequest>(body, [](Board& board, const auto& request) {
    return board.fail_task(request.task_guid(), request.failure_reason(), now());
  });
}

constexpr std::array kCalls = {
    &timed<models::UpsertDomainRequest, &Board::upsert_domain>,
    &desire_lrp,
    &traced<models::UpdateDesiredLRPRequest, &Board::update_desired_lrp>,
    &remove_desired_lrp,
    &timed<models::ClaimActualLRPRequest, &Board::claim>,
    &timed<models::StartActualLRPRequest, &Board::start>,
    &timed<models::CrashActualLRPRequest, &Board::crash>,
    &timed<models::FailActualLRPRequest, &Board::fail>,
    &plain<models::RemoveActualLRPRequest, &Board::remove>,
    &retire,
    &timed<models::EvacuateClaimedActualLRPRequest, &Board::evacuate_claimed>,
    &timed<models::EvacuateCrashedActualLRPRequest, &Board::evacuate_crashed>,
    &plain<models::EvacuateStoppedActualLRPRequest, &Board::evacuate_stopped>,
    &timed<models::EvacuateRunningActualLRPRequest, &Board::evacuate_running>,
    &plain<models::RemoveEvacuatingActualLRPRequest, &Board::remove_evacuating>,
    &traced<models::DesireTaskRequest, &Board::desire_task>,
    &timed<models::StartTaskRequest, &Board::start_task>,
    &timed<models::CompleteTaskRequest, &Board::complete_task>,
    &cancel_task,
    &fail_task,
    &timed<models::RejectTaskRequest, &Board::reject_task>,
    &read_only<models::ActualLRPsRequest>,
    &read_only<models::ActualLRPsByProcessGuidsRequest>,
    &read_only<models::ActualLRPGroupsRequest>,
    &read_only<models::ActualLRPGroupsByProcessGuidRequest>,
    &read_only<models::ActualLRPGroupByProcessGuidAndIndexRequest>,
    &read_only<models::DesiredLRPsRequest>,
    &read_only<models::DesiredLRPByProcessGuidRequest>,
    &read_only<models::TasksRequest>,
    &read_only<models::TaskByGuidRequest>,
};

}  // namespace

void bbs_requests(std::string_view bytes) {
  if (bytes.empty()) return;
  try {
    kCalls[static_cast<unsigned char>(bytes.front()) % kCalls.size()](bytes.substr(1));
  } catch (const models::ModelError& e) {
    if (e.message().empty()) broken("an error has a text");
  }
}

}  // namespace rivera::fuzz
