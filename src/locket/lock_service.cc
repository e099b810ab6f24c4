#include "locket/lock_service.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "locket/locks/lock_request.h"

namespace rivera::locket {
namespace {

RpcError collision() { return RpcError(RpcCode::kAlreadyExists, "lock-collision"); }

}  // namespace

LockService::LockService(Parts parts, std::chrono::nanoseconds operation_timeout, base::Logger logger,
                         std::function<void()> unrecoverable)
    : parts_(parts),
      operation_timeout_(operation_timeout),
      logger_(std::move(logger)),
      unrecoverable_(std::move(unrecoverable)) {}

asio::awaitable<void> LockService::lock(CallInfo call, const locket_api::LockRequest& request,
                                        locket_api::LockResponse&) {
  const auto logger = logger_.session("lock", {{"request-uuid", call.request_uuid}});
  co_await measured(RequestType::kLock, logger, do_lock(logger, request));
}

asio::awaitable<void> LockService::release(CallInfo call, const locket_api::ReleaseRequest& request,
                                           locket_api::ReleaseResponse&) {
  const auto logger = logger_.session("release", {{"request-uuid", call.request_uuid}});
  co_await measured(RequestType::kRelease, logger, do_release(logger, request.resource()));
}

asio::awaitable<void> LockService::fetch(CallInfo call, const locket_api::FetchRequest& request,
                                         locket_api::FetchResponse& response) {
  const auto logger = logger_.session("fetch", {{"request-uuid", call.request_uuid}});
  co_await measured(RequestType::kFetch, logger, do_fetch(request.key(), response));
}

asio::awaitable<void> LockService::fetch_all(CallInfo call, const locket_api::FetchAllRequest& request,
                                             locket_api::FetchAllResponse& response) {
  const auto logger = logger_.session("fetch-all", {{"request-uuid", call.request_uuid}});
  co_await measured(RequestType::kFetchAll, logger, do_fetch_all(request, response));
}

asio::awaitable<void> LockService::measured(RequestType type, const base::Logger& logger,
                                            asio::awaitable<void> operation) {
  const auto start = std::chrono::steady_clock::now();
  parts_.probe.request_started(type);
  std::optional<RpcError> failure;
  try {
    co_await std::move(operation);
  } catch (...) {
    if (base::is_cancellation(std::current_exception())) throw;
    failure = to_rpc_error(logger);
  }
  const bool succeeded = !failure || failure->code() == RpcCode::kAlreadyExists;
  parts_.probe.request_ended(type, succeeded, std::chrono::steady_clock::now() - start);
  if (failure) throw *failure;
}

asio::awaitable<void> LockService::do_lock(const base::Logger& logger, const locket_api::LockRequest& request) {
  const LockRecord wanted = read_lock_request(request);
  auto write = [&store = parts_.store, wanted, new_id = base::new_guid()](sql::Connection& connection) {
    return store.lock(connection, wanted, new_id);
  };
  auto written = parts_.journal.run(wanted.key, std::move(write));
  const LockOutcome outcome = co_await base::within(operation_timeout_, "lock", std::move(written));

  const auto store_logger =
      logger.session("lock", {{"key", wanted.key}, {"owner", wanted.owner}, {"type", wanted.type}});
  if (!outcome.record) {
    store_logger.debug("lock-already-exists");
    throw collision();
  }
  parts_.expiry.observe(*outcome.record);
  if (outcome.inserted) store_logger.info("acquired-lock", {{"ttl", wanted.ttl_seconds}});
}

asio::awaitable<void> LockService::do_release(const base::Logger& logger, const locket_api::Resource& resource) {
  const std::string& key = resource.key();
  auto write = [&store = parts_.store, key, owner = resource.owner()](sql::Connection& connection) {
    return store.release(connection, key, owner);
  };
  auto written = parts_.journal.run(key, std::move(write));
  const ReleaseResult result = co_await base::within(operation_timeout_, "release", std::move(written));

  const auto store_logger = logger.session("release-lock", {{"key", key}, {"owner", resource.owner()}});
  switch (result.outcome) {
    case ReleaseOutcome::kReleased:
      parts_.expiry.forget(key, result.modified_id);
      store_logger.info("released-lock");
      break;
    case ReleaseOutcome::kAbsent:
      store_logger.debug("lock-does-not-exist");
      break;
    case ReleaseOutcome::kCollision:
      store_logger.error("cannot-release-lock");
      throw collision();
  }
}

asio::awaitable<void> LockService::do_fetch(const std::string& key, locket_api::FetchResponse& response) {
  auto read = [&store = parts_.store, key](sql::Connection& connection) { return store.fetch(connection, key); };
  const auto found = co_await parts_.reads.run(std::move(read));
  if (!found) throw RpcError(RpcCode::kNotFound, "resource-not-found");
  write_resource(*found, *response.mutable_resource());
}

asio::awaitable<void> LockService::do_fetch_all(const locket_api::FetchAllRequest& request,
                                                locket_api::FetchAllResponse& response) {
  const std::string type = resolve_type(request.type_code(), request.type());
  auto read = [&store = parts_.store, type](sql::Connection& connection) { return store.fetch_all(connection, type); };
  const auto records = co_await parts_.reads.run(std::move(read));
  for (const auto& record : records) write_resource(record, *response.add_resources());
}

// Called while an exception is being handled.
RpcError LockService::to_rpc_error(const base::Logger& logger) {
  try {
    throw;
  } catch (const RpcError& e) {
    return e;
  } catch (const sql::Error& e) {
    return to_rpc_error(e, logger);
  } catch (const base::DeadlineExceeded& e) {
    logger.error("deadline-exceeded", {{"error", e.what()}});
    return RpcError(RpcCode::kDeadlineExceeded, "context deadline exceeded");
  } catch (const std::exception& e) {
    logger.error("failed", {{"error", e.what()}});
    return RpcError(RpcCode::kUnknown, e.what());
  }
}

RpcError LockService::to_rpc_error(const sql::Error& error, const base::Logger& logger) {
  logger.error("sql-failed", {{"error", error.what()}, {"class", sql::to_string(error.error_class())}});
  switch (error.error_class()) {
    case sql::ErrorClass::kDuplicateKey:
      return collision();  // two owners inserted the same new key at once
    case sql::ErrorClass::kDeadlock:
      return RpcError(RpcCode::kUnknown, "sql-deadlock");
    case sql::ErrorClass::kTooLong:
      return RpcError(RpcCode::kUnknown, "sql-bad-request");
    case sql::ErrorClass::kTimeout:
      return RpcError(RpcCode::kDeadlineExceeded, "context deadline exceeded");
    case sql::ErrorClass::kMissingTable:
      logger.error("unrecoverable-error");
      unrecoverable_();
      return RpcError(RpcCode::kUnknown, "sql-unrecoverable");
    case sql::ErrorClass::kNotFound:
    case sql::ErrorClass::kConnection:
    case sql::ErrorClass::kDiskFull:
    case sql::ErrorClass::kOther:
      break;
  }
  return RpcError(RpcCode::kUnknown, fmt::format("sql-unknown, error code: {}, flavor: {}", error.native_code(),
                                                 sql::to_string(parts_.engine)));
}

}  // namespace rivera::locket
