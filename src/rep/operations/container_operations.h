// Reconciliation of one container with the BBS (docs/spec/cell.md §1.15.3).
#pragma once

#include <set>
#include <string>

#include "base/log/log.h"
#include "clients/bbs_client.h"
#include "executor/executor.h"
#include "rep/operations/operation_queue.h"
#include "rep/operations/reconcile.h"
#include "rep/operations/run_request.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// Whether the cell is being evacuated. Never becomes false again.
struct EvacuationState {
  bool evacuating = false;
};

// Executes the decisions of reconcile.h. Each call reads the container's current state, so that a late call does no
// harm. If the BBS or Garden does not answer, the result is kTryAgain. Refusals are logged, and left to the next batch
// where the table says so.
//
// Lives on the rep's strand. Everything it refers to outlives it.
class ContainerOperations {
 public:
  ContainerOperations(const Config& config, executor::Executor& executor, clients::BbsClient& bbs,
                      const EvacuationState& evacuation, base::Logger logger);

  // Acts on the container according to its state. Does nothing if it does not exist.
  asio::awaitable<OperationResult> reconcile(std::string guid);
  // Acts on an instance or task without a container. Does nothing if it has one by now.
  asio::awaitable<OperationResult> settle(std::string guid, BatchOperation operation);

 private:
  asio::awaitable<void> act(executor::Container container);
  asio::awaitable<void> act_on_lrp(executor::Container container, LRPIdentity identity, ContainerAction action);
  asio::awaitable<bool> claim(std::string guid, LRPIdentity identity);
  asio::awaitable<void> claim_and_run(std::string guid, LRPIdentity identity);
  asio::awaitable<void> start(executor::Container container, LRPIdentity identity);
  asio::awaitable<void> report_end(std::string guid, LRPIdentity identity, ContainerAction action, std::string reason);
  asio::awaitable<void> evacuate_running(executor::Container container, LRPIdentity identity);
  asio::awaitable<void> start_task(std::string guid);
  asio::awaitable<void> complete_task(executor::Container container);
  asio::awaitable<void> reject_task(executor::Container container);
  asio::awaitable<void> complete(std::string guid, bool failed, std::string reason, std::string result);
  asio::awaitable<void> destroy(std::string guid);
  bool run(executor::RunRequest request);

  const Config& config_;
  executor::Executor& executor_;
  clients::BbsClient& bbs_;
  const EvacuationState& evacuation_;
  base::Logger logger_;
  std::set<std::string> announced_;  // containers whose log has the request for a replacement
};

// The network information of a running container; nullopt if it has no address yet.
std::optional<models::ActualLRPNetInfo> net_info_of(const executor::Container& container, bool prefer_instance_address);

}  // namespace rivera::rep
