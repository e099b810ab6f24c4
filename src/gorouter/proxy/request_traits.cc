#include "gorouter/proxy/request_traits.h"

#include "gorouter/replies/headers.h"

namespace rivera::gorouter {
namespace {

bool is_idempotent(const net::Http1Request& request, const net::Http1Framing& framing) {
  if (framing.kind != net::Http1Framing::Kind::kNone) return false;
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "TRACE"}) {
    if (request.method == method) return true;
  }
  return request.fields.has("Idempotency-Key") || request.fields.has("X-Idempotency-Key");
}

}  // namespace

RequestTraits traits_of(const net::Http1Request& request, const net::Http1Framing& framing) {
  const bool has_body = framing.kind != net::Http1Framing::Kind::kNone;
  RequestTraits traits;
  traits.is_head = request.method == "HEAD";
  const std::string_view protocol = request.minor >= 1 ? upgrade_token(request.fields) : std::string_view();
  traits.is_upgrade = !protocol.empty();
  traits.is_websocket = !has_body && net::http1_same_name(protocol, "websocket");
  traits.expects_continue = request.minor >= 1 && has_body && request.fields.has_token("Expect", "100-continue");
  traits.is_idempotent = is_idempotent(request, framing);
  return traits;
}

}  // namespace rivera::gorouter
