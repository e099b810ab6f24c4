#include "gorouter/proxy/retry.h"

namespace rivera::gorouter {
namespace {

bool may_be_closed_idle_connection(FailureClass failure) {
  return failure == FailureClass::kIdempotentEof || failure == FailureClass::kIncompleteRequest ||
         failure == FailureClass::kResetOnRead;
}

}  // namespace

NextAttempt next_attempt_after(const FailedAttempt& attempt) {
  if (attempt.body_started || attempt.client_disconnected) return NextAttempt::kNone;
  if (attempt.used_idle_connection && attempt.is_idempotent && may_be_closed_idle_connection(attempt.failure)) {
    return NextAttempt::kSameEndpoint;
  }
  return is_retryable(attempt.failure) ? NextAttempt::kOtherEndpoint : NextAttempt::kNone;
}

}  // namespace rivera::gorouter
