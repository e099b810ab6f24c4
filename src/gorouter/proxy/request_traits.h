// What decides how a request is handled, read from its head once. Pure.
#pragma once

#include "net/http1/http1.h"

namespace rivera::gorouter {

struct RequestTraits {
  bool is_head = false;           // the response has no body
  bool is_websocket = false;      // the protocol is "websocket", and the request has no body
  bool is_upgrade = false;        // the client asks to switch protocols
  bool expects_continue = false;  // the client waits for 100 before it sends its body
  // Sending the request twice has the effect of sending it once: it has no body, and a method or a header that says so
  // (docs/spec/routing.md §3.13).
  bool is_idempotent = false;
};

RequestTraits traits_of(const net::Http1Request& request, const net::Http1Framing& framing);

}  // namespace rivera::gorouter
