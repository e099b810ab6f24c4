#include "gorouter/replies/router_response.h"

#include <fmt/format.h>

#include "gorouter/replies/headers.h"
#include "net/http/http.h"

namespace rivera::gorouter {
namespace {

constexpr char kNotStored[] = "no-cache, no-store";
constexpr char kBriefly[] = "public,max-age=2";

// The error is written into a header field: line ends from other sources must not split it.
std::string in_one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return text;
}

RouterResponse plain(int status, std::string error, const std::string& message, const char* cache_control) {
  RouterResponse r;
  r.status = status;
  r.error = std::move(error);
  r.body = fmt::format("{} {}: {}\n", status, net::standard_reason(status), message);
  r.cache_control = cache_control;
  return r;
}

}  // namespace

RouterResponse RouterResponse::empty_host() {
  return plain(400, "empty_host", "Request had empty Host header", kBriefly);
}

RouterResponse RouterResponse::unknown_route(std::string_view host) {
  return plain(404, "unknown_route", fmt::format("Requested route ('{}') does not exist.", host), kNotStored);
}

RouterResponse RouterResponse::unknown_instance(std::string_view app, std::string_view index, std::string_view host) {
  return plain(
      400, "unknown_route",
      fmt::format("Requested instance ('{}') with guid ('{}') does not exist for route ('{}')", index, app, host),
      kNotStored);
}

RouterResponse RouterResponse::unknown_process(std::string_view process, std::string_view index,
                                               std::string_view host) {
  const std::string which = index.empty() ? std::string() : fmt::format(" ('{}')", index);
  return plain(400, "unknown_route",
               fmt::format("Requested instance{} with process guid ('{}') does not exist for route ('{}')", which,
                           process, host),
               kNotStored);
}

RouterResponse RouterResponse::invalid_app_instance() {
  return plain(400, "invalid_cf_app_instance_header", "Invalid X-CF-App-Instance Header", kNotStored);
}

RouterResponse RouterResponse::invalid_process_instance() {
  return plain(400, "invalid_cf_process_instance_header", "Invalid X-CF-Process-Instance Header", kNotStored);
}

RouterResponse RouterResponse::no_endpoints(std::string_view host) {
  return plain(503, "no_endpoints", fmt::format("Requested route ('{}') has no available endpoints.", host), kBriefly);
}

RouterResponse RouterResponse::connection_limit(std::string_view host) {
  return plain(503, "Connection Limit Reached",
               fmt::format("Requested route ('{}') has reached the connection limit.", host), "");
}

RouterResponse RouterResponse::head_too_large() {
  RouterResponse r;
  r.status = 431;
  r.error = "max-request-size-exceeded";
  r.close = true;
  return r;
}

RouterResponse RouterResponse::route_services_disabled() {
  return plain(502, "route_service_unsupported", "Support for route services is disabled.", "");
}

RouterResponse RouterResponse::internal_fault() {
  RouterResponse r;
  r.status = 502;
  r.error = "unknown_failure";
  r.close = true;
  return r;
}

RouterResponse RouterResponse::backend_failed(const Failure& failure) {
  const FailureAnswer answer = answer_to(failure.kind);
  RouterResponse r;
  r.status = answer.status;
  r.error = in_one_line(fmt::format("endpoint_failure ({})", failure.text));
  r.body = answer.body;
  return r;
}

RouterResponse RouterResponse::health(bool healthy) {
  RouterResponse r;
  r.status = healthy ? 200 : 503;
  r.body = healthy ? "ok\n" : "";
  r.cache_control = "private, max-age=0";
  r.close = !healthy;
  return r;
}

void append_router_response(std::string& out, const RouterResponse& response, const ResponseContext& context,
                            const HeaderRewrite& rewrite) {
  append_status_line(out, response.status);
  if (!response.cache_control.empty()) append_field(out, "Cache-Control", response.cache_control);
  const bool is_health = response.cache_control.starts_with("private");
  if (is_health) append_field(out, "Expires", "0");
  if (!response.body.empty()) append_field(out, "Content-Type", "text/plain; charset=utf-8");
  if (!response.body.empty() && !is_health) append_field(out, "X-Content-Type-Options", "nosniff");
  if (!response.error.empty()) append_field(out, "X-Cf-Routererror", response.error);
  if (!context.request_id.empty()) append_field(out, "X-Vcap-Request-Id", context.request_id);
  for (const auto& [name, value] : rewrite.add_if_not_present) append_field(out, net::canonical_name(name), value);
  append_field(out, "Date", context.date);
  append_field(out, "Content-Length", std::to_string(response.body.size()));
  if (!context.keep_alive || response.close) {
    append_field(out, "Connection", "close");
  } else if (context.client_minor == 0) {
    append_field(out, "Connection", "keep-alive");
  }
  out += "\r\n";
  if (!context.is_head) out += response.body;
}

std::string malformed_request_response(int status, std::string_view what) {
  const std::string body =
      fmt::format("{} {}{}{}", status, net::standard_reason(status), what.empty() ? "" : ": ", what);
  std::string out;
  append_status_line(out, status);
  append_field(out, "Content-Type", "text/plain; charset=utf-8");
  append_field(out, "Connection", "close");
  append_field(out, "Content-Length", std::to_string(body.size()));
  return out + "\r\n" + body;
}

}  // namespace rivera::gorouter
