#include "rep/operations/container_operations.h"

#include "base/work/cancellation.h"
#include "executor/container/errors.h"
#include "executor/garden/retry.h"
#include "models/errors.h"
#include "models/models.h"

namespace rivera::rep {
namespace {

constexpr const char* kTaskHasNoContainer = "task container does not exist";
constexpr const char* kUnacceptableReason = "the reason could not be stored";
constexpr const char* kUnacceptableResult = "the result could not be stored";

// A failure that may be temporary.
class TryLater : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whether the BBS refuses the form of a request. It then says nothing about the state of the instance or task.
bool is_refusal_of_form(const models::ModelError& e) {
  return e.type() == models::Error::InvalidRecord || e.type() == models::Error::InvalidRequest ||
         e.type() == models::Error::InvalidProtobufMessage || e.type() == models::Error::InvalidJSON;
}

}  // namespace

ContainerOperations::ContainerOperations(const Config& config, executor::Executor& executor, clients::BbsClient& bbs,
                                         const EvacuationState& evacuation, base::Logger logger)
    : config_(config),
      executor_(executor),
      bbs_(bbs),
      evacuation_(evacuation),
      logger_(logger.session("container-operations")) {}

asio::awaitable<OperationResult> ContainerOperations::reconcile(std::string guid) {
  auto container = executor_.get(guid);
  if (!container) co_return OperationResult::kDone;
  try {
    co_await act(std::move(*container));
  } catch (const models::ModelError& e) {
    logger_.error("refused", {{"guid", guid}, {"error", e.what()}});
  } catch (const executor::ContainerNotFound&) {
    // It was destroyed during the operation.
  } catch (const TryLater& e) {
    logger_.error("try-later", {{"guid", guid}, {"error", e.what()}});
    co_return OperationResult::kTryAgain;
  } catch (const std::exception& e) {
    if (!executor::is_no_answer(e)) throw;
    logger_.info("no-answer", {{"guid", guid}, {"error", e.what()}});
    co_return OperationResult::kTryAgain;
  }
  co_return OperationResult::kDone;
}

asio::awaitable<void> ContainerOperations::act(executor::Container container) {
  const auto lifecycle = lifecycle_of(container);
  const auto action = decide({.lifecycle = lifecycle,
                              .state = container.state,
                              .result = container.run_result,
                              .evacuating = evacuation_.evacuating});
  switch (action) {
    case ContainerAction::kNothing:
      logger_.error("failed-to-process-container-with-unknown-lifecycle", {{"guid", container.guid}});
      break;
    case ContainerAction::kStartTask:
      co_await start_task(container.guid);
      break;
    case ContainerAction::kRejectTask:
      co_await reject_task(std::move(container));
      break;
    case ContainerAction::kCompleteTask:
      co_await complete_task(std::move(container));
      break;
    default: {
      auto identity = lrp_identity(container, config_.cell_id);
      if (!identity) {
        logger_.error("container-without-lrp-key", {{"guid", container.guid}});
        co_return;
      }
      co_await act_on_lrp(std::move(container), std::move(*identity), action);
    }
  }
}

asio::awaitable<void> ContainerOperations::act_on_lrp(executor::Container container, LRPIdentity identity,
                                                      ContainerAction action) {
  switch (action) {
    case ContainerAction::kClaimAndRun:
      co_await claim_and_run(container.guid, std::move(identity));
      break;
    case ContainerAction::kClaim:
      co_await claim(container.guid, std::move(identity));
      break;
    case ContainerAction::kStart:
      co_await start(std::move(container), std::move(identity));
      break;
    case ContainerAction::kEvacuateRunning:
      co_await evacuate_running(std::move(container), std::move(identity));
      break;
    case ContainerAction::kRemoveAndDelete:
    case ContainerAction::kCrashAndDelete:
    case ContainerAction::kEvacuateClaimed:
    case ContainerAction::kEvacuateStopped:
    case ContainerAction::kEvacuateCrashed: {
      auto reason = container.run_result.failure_reason;
      co_await report_end(container.guid, std::move(identity), action, std::move(reason));
      co_await destroy(container.guid);
      break;
    }
    case ContainerAction::kNothing:
    case ContainerAction::kStartTask:
    case ContainerAction::kRejectTask:
    case ContainerAction::kCompleteTask:
      break;
  }
}

// --- instances ---

// False if the instance belongs to another cell; the container is then destroyed.
asio::awaitable<bool> ContainerOperations::claim(std::string guid, LRPIdentity identity) {
  bool belongs_elsewhere = false;
  try {
    co_await bbs_.claim_actual_lrp(identity.key, identity.instance);
  } catch (const models::ModelError& e) {
    if (e.type() != models::Error::ActualLRPCannotBeClaimed) throw;
    belongs_elsewhere = true;
  }
  if (belongs_elsewhere) co_await destroy(guid);
  co_return !belongs_elsewhere;
}

asio::awaitable<void> ContainerOperations::claim_and_run(std::string guid, LRPIdentity identity) {
  const bool claimed = co_await claim(guid, identity);
  if (!claimed) co_return;
  const auto desired = co_await bbs_.desired_lrp(identity.key.process_guid());
  auto request = run_request_of(desired, identity, {.stacks = config_.stacks, .layering_mode = config_.layering_mode});
  request.guid = guid;
  if (run(std::move(request))) co_return;
  co_await destroy(guid);
  co_await bbs_.remove_actual_lrp(identity.key, identity.instance);
}

asio::awaitable<void> ContainerOperations::start(executor::Container container, LRPIdentity identity) {
  const auto net_info = net_info_of(container, config_.advertise_preference_for_instance_address);
  if (!net_info) {
    logger_.error("container-without-address", {{"guid", container.guid}});
    co_return;
  }
  models::StartActualLRPRequest request;
  *request.mutable_actual_lrp_key() = identity.key;
  *request.mutable_actual_lrp_instance_key() = identity.instance;
  *request.mutable_actual_lrp_net_info() = *net_info;
  for (const auto& host : container.run_info.internal_routes)
    request.add_actual_lrp_internal_routes()->set_hostname(host);
  for (const auto& [name, value] : container.run_info.metrics_config.tags)
    (*request.mutable_metric_tags())[name] = value;
  request.set_routable(container.routable);
  request.set_availability_zone(config_.zone);
  bool belongs_elsewhere = false;
  try {
    co_await bbs_.start_actual_lrp(std::move(request));
  } catch (const models::ModelError& e) {
    if (e.type() != models::Error::ActualLRPCannotBeStarted) throw;
    belongs_elsewhere = true;
  }
  if (belongs_elsewhere) executor_.stop(container.guid);
}

asio::awaitable<void> ContainerOperations::report_end(std::string guid, LRPIdentity identity, ContainerAction action,
                                                      std::string reason) {
  bool has_unacceptable_reason = false;
  try {
    if (action == ContainerAction::kRemoveAndDelete) {
      co_await bbs_.remove_actual_lrp(identity.key, identity.instance);
    } else if (action == ContainerAction::kCrashAndDelete) {
      co_await bbs_.crash_actual_lrp(identity.key, identity.instance, reason);
    } else if (action == ContainerAction::kEvacuateClaimed) {
      co_await bbs_.evacuate_claimed_actual_lrp(identity.key, identity.instance);
    } else if (action == ContainerAction::kEvacuateStopped) {
      co_await bbs_.evacuate_stopped_actual_lrp(identity.key, identity.instance);
    } else {
      co_await bbs_.evacuate_crashed_actual_lrp(identity.key, identity.instance, reason);
    }
  } catch (const models::ModelError& e) {
    // The BBS does not agree about this instance. The container is destroyed in any case.
    logger_.info("end-refused", {{"guid", guid}, {"error", e.what()}});
    const bool has_reason = action == ContainerAction::kCrashAndDelete || action == ContainerAction::kEvacuateCrashed;
    has_unacceptable_reason = has_reason && is_refusal_of_form(e) && !reason.empty() && reason != kUnacceptableReason;
  }
  // The crash counts, whatever the container said.
  if (has_unacceptable_reason) co_await report_end(guid, std::move(identity), action, kUnacceptableReason);
}

asio::awaitable<void> ContainerOperations::evacuate_running(executor::Container container, LRPIdentity identity) {
  const auto net_info = net_info_of(container, config_.advertise_preference_for_instance_address);
  if (!net_info) {
    logger_.error("container-without-address", {{"guid", container.guid}});
    co_return;
  }
  if (announced_.insert(container.guid).second) {
    executor_.write_log_line(container.guid,
                             "Cell " + config_.cell_id + " requesting replacement for instance " + container.guid);
  }
  models::EvacuateRunningActualLRPRequest request;
  *request.mutable_actual_lrp_key() = identity.key;
  *request.mutable_actual_lrp_instance_key() = identity.instance;
  *request.mutable_actual_lrp_net_info() = *net_info;
  for (const auto& host : container.run_info.internal_routes)
    request.add_actual_lrp_internal_routes()->set_hostname(host);
  for (const auto& [name, value] : container.run_info.metrics_config.tags)
    (*request.mutable_metric_tags())[name] = value;
  request.set_routable(container.routable);
  request.set_availability_zone(config_.zone);
  const bool keep = co_await bbs_.evacuate_running_actual_lrp(std::move(request));
  if (!keep) co_await destroy(container.guid);
}

// --- tasks ---

asio::awaitable<void> ContainerOperations::start_task(std::string guid) {
  bool should_start = false;
  bool is_over = false;
  try {
    should_start = co_await bbs_.start_task(guid, config_.cell_id);
  } catch (const models::ModelError& e) {
    is_over = e.type() == models::Error::InvalidStateTransition || e.type() == models::Error::ResourceNotFound;
    if (!is_over) throw;
  }
  if (is_over) {
    co_await destroy(guid);
    co_return;
  }
  if (!should_start) co_return;
  const auto task = co_await bbs_.task(guid);
  auto request = run_request_of(task, {.stacks = config_.stacks, .layering_mode = config_.layering_mode});
  if (run(std::move(request))) co_return;
  co_await destroy(guid);
  co_await complete(guid, true, "failed to run container", "");
}

asio::awaitable<void> ContainerOperations::complete_task(executor::Container container) {
  constexpr std::size_t kResultLimit = 51'200;
  const auto& result = container.run_result;
  if (result.lost) {
    co_await complete(container.guid, true, kTaskHasNoContainer, kTaskHasNoContainer);
    co_await destroy(container.guid);
    co_return;
  }
  const auto& file = container.tag(kResultFileTag);
  std::string content;
  std::string failure;
  if (!result.failed && !file.empty()) {
    try {
      content = co_await executor_.read_file(container.guid, file, kResultLimit);
    } catch (const std::exception& e) {
      if (base::is_cancellation(e) || executor::is_no_answer(e)) throw;
      failure = e.what();
    }
  }
  if (failure.empty()) {
    co_await complete(container.guid, result.failed, result.failure_reason, std::move(content));
  } else {
    logger_.error("failed-to-fetch-result", {{"guid", container.guid}, {"error", failure}});
    co_await complete(container.guid, true, "failed to fetch result", "");
  }
  co_await destroy(container.guid);
}

asio::awaitable<void> ContainerOperations::reject_task(executor::Container container) {
  try {
    co_await bbs_.reject_task(container.guid, container.run_result.failure_reason);
  } catch (const models::ModelError& e) {
    logger_.info("rejection-refused", {{"guid", container.guid}, {"error", e.what()}});
  }
  co_await destroy(container.guid);
}

asio::awaitable<void> ContainerOperations::complete(std::string guid, bool failed, std::string reason,
                                                    std::string result) {
  models::CompleteTaskRequest request;
  request.set_task_guid(guid);
  request.set_cell_id(config_.cell_id);
  request.set_failed(failed);
  request.set_failure_reason(reason);
  request.set_result(result);
  bool invalid = false;
  bool unacceptable = false;
  try {
    co_await bbs_.complete_task(request);
  } catch (const models::ModelError& e) {
    logger_.info("completion-refused", {{"guid", guid}, {"error", e.what()}});
    invalid = e.type() == models::Error::InvalidStateTransition && reason != "invalid state transition";
    unacceptable = is_refusal_of_form(e) && reason != kUnacceptableResult && reason != kUnacceptableReason;
  }
  if (invalid) co_await complete(guid, true, "invalid state transition", "");
  if (unacceptable) co_await complete(guid, true, failed ? kUnacceptableReason : kUnacceptableResult, "");
}

// --- both ---

bool ContainerOperations::run(executor::RunRequest request) {
  const auto guid = request.guid;
  try {
    executor_.run(std::move(request));
    return true;
  } catch (const executor::ExecutorError& e) {
    logger_.error("failed-to-run-container", {{"guid", guid}, {"error", e.what()}});
    return false;
  }
}

asio::awaitable<void> ContainerOperations::destroy(std::string guid) {
  announced_.erase(guid);
  try {
    co_await executor_.destroy(guid);
  } catch (const executor::ContainerNotFound&) {
  } catch (const executor::ExecutorError& e) {
    throw TryLater(std::string("cannot destroy container: ") + e.what());
  }
}

asio::awaitable<OperationResult> ContainerOperations::settle(std::string guid, BatchOperation operation) {
  if (executor_.contains(guid)) co_return OperationResult::kDone;
  try {
    switch (operation.action) {
      case BatchAction::kContainer:
        break;
      case BatchAction::kRemoveInstance:
        co_await bbs_.remove_actual_lrp(operation.key, operation.instance);
        break;
      case BatchAction::kRemoveInstanceAndEvacuating:
        try {
          co_await bbs_.remove_actual_lrp(operation.key, operation.instance);
        } catch (const models::ModelError& e) {
          logger_.info("remove-refused", {{"guid", guid}, {"error", e.what()}});
        }
        co_await bbs_.remove_evacuating_actual_lrp(operation.key, operation.instance);
        break;
      case BatchAction::kRemoveEvacuating:
        co_await bbs_.remove_evacuating_actual_lrp(operation.key, operation.instance);
        break;
      case BatchAction::kFailTask:
        co_await complete(guid, true, kTaskHasNoContainer, kTaskHasNoContainer);
        break;
    }
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    logger_.info("failed-to-settle", {{"guid", guid}, {"error", e.what()}});  // the next batch repeats it
  }
  co_return OperationResult::kDone;
}

std::optional<models::ActualLRPNetInfo> net_info_of(const executor::Container& container,
                                                    bool prefer_instance_address) {
  if (container.external_ip.empty()) return std::nullopt;
  models::ActualLRPNetInfo info;
  info.set_address(container.external_ip);
  info.set_instance_address(container.internal_ip);
  info.set_instance_ipv6_address(container.internal_ip_v6);
  info.set_preferred_address(prefer_instance_address ? models::ActualLRPNetInfo::INSTANCE
                                                     : models::ActualLRPNetInfo::HOST);
  for (const auto& port : container.ports) {
    auto& out = *info.add_ports();
    out.set_container_port(port.container_port);
    out.set_host_port(port.host_port);
    out.set_container_tls_proxy_port(port.container_tls_proxy_port);
    out.set_host_tls_proxy_port(port.host_tls_proxy_port);
  }
  return info;
}

}  // namespace rivera::rep
