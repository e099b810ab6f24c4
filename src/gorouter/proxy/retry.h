// Whether a failed attempt is followed by another one (docs/spec/routing.md §3.13). Pure.
#pragma once

#include "gorouter/replies/failure.h"

namespace rivera::gorouter {

struct FailedAttempt {
  FailureClass failure = FailureClass::kNone;
  bool used_idle_connection = false;  // the connection had served another request before
  bool is_idempotent = false;         // RequestTraits::is_idempotent
  bool body_started = false;          // some of the request's body was sent and cannot be sent again
  bool client_disconnected = false;
};

enum class NextAttempt {
  kNone,           // the failure is the answer
  kSameEndpoint,   // over another connection; the endpoint is not at fault
  kOtherEndpoint,  // as far as the configured number of attempts allows
};

// A backend may close an idle connection at the moment a request is written to it. Such a request is sent again to the
// same endpoint if it is idempotent and no byte of a response has arrived.
NextAttempt next_attempt_after(const FailedAttempt& attempt);

}  // namespace rivera::gorouter
