#include "bbs/api/services.h"

namespace rivera::bbs {
namespace {

// Field 2, keep_container, of the answer to a request that could not be decoded: the container is kept (§1.6).
const std::string kKeep("\x10\x01", 2);

}  // namespace

EvacuationService::EvacuationService(Api& api, Ledger& ledger) : ledger_(ledger) {
  api.post<models::EvacuateClaimedActualLRPRequest>(
      "EvacuateClaimedActualLRP", "/v1/actual_lrps/evacuate_claimed",
      [this](auto request, Call) {
        return change(
            [r = std::move(request)](Board& board, base::Timestamp now) { return board.evacuate_claimed(r, now); });
      },
      kKeep);
  api.post<models::EvacuateCrashedActualLRPRequest>(
      "EvacuateCrashedActualLRP", "/v1/actual_lrps/evacuate_crashed", [this](auto request, Call) {
        return change(
            [r = std::move(request)](Board& board, base::Timestamp now) { return board.evacuate_crashed(r, now); });
      });
  api.post<models::EvacuateStoppedActualLRPRequest>(
      "EvacuateStoppedActualLRP", "/v1/actual_lrps/evacuate_stopped", [this](auto request, Call) {
        return change([r = std::move(request)](Board& board, base::Timestamp) { return board.evacuate_stopped(r); });
      });
  api.post<models::EvacuateRunningActualLRPRequest>(
      "EvacuateRunningActualLRP", "/v1/actual_lrps/evacuate_running.r1",
      [this](auto request, Call) { return running(std::move(request), false); }, kKeep);
  api.post<models::EvacuateRunningActualLRPRequest>(
      "EvacuateRunningActualLRP_r0", "/v1/actual_lrps/evacuate_running",
      [this](auto request, Call) { return running(std::move(request), true); }, kKeep);
  api.post<models::RemoveEvacuatingActualLRPRequest>(
      "RemoveEvacuatingActualLRP", "/v1/actual_lrps/remove_evacuating", [this](auto request, Call) {
        return change([r = std::move(request)](Board& board, base::Timestamp) { return board.remove_evacuating(r); });
      });
}

asio::awaitable<std::string> EvacuationService::change(Ledger::Operation operation) {
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  co_return body_with_answer(outcome);
}

asio::awaitable<std::string> EvacuationService::running(models::EvacuateRunningActualLRPRequest request, bool is_r0) {
  if (is_r0) {
    request.clear_actual_lrp_internal_routes();
    request.clear_metric_tags();
  }
  return change([r = std::move(request)](Board& board, base::Timestamp now) { return board.evacuate_running(r, now); });
}

}  // namespace rivera::bbs
