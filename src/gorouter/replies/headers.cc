#include "gorouter/replies/headers.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "net/http/http.h"

namespace rivera::gorouter {
namespace {

using net::http1_same_name;

// Header fields that are not passed on unchanged.
enum class Known {
  kOther,
  kHopByHop,
  kTe,
  kHost,
  kContentLength,
  kForwardedFor,
  kForwardedProto,
  kForwardedClientCert,
  kRequestStart,
  kRequestId,
  kRouterOwned,  // always set by the router
  kAppInstance,  // for the router only
  kDate,
  kSignature,
};

Known known(std::string_view name) {
  const auto is = [name](std::string_view other) { return http1_same_name(name, other); };
  switch (name.size()) {
    case 2:
      return is("Te") ? Known::kTe : Known::kOther;
    case 4:
      return is("Host") ? Known::kHost : is("Date") ? Known::kDate : Known::kOther;
    case 7:
      return is("Trailer") || is("Upgrade") ? Known::kHopByHop : Known::kOther;
    case 10:
      return is("Connection") || is("Keep-Alive") ? Known::kHopByHop : Known::kOther;
    case 14:
      return is("Content-Length") ? Known::kContentLength : Known::kOther;
    case 15:
      if (is("X-Forwarded-For")) return Known::kForwardedFor;
      if (is("X-Cf-Instanceid")) return Known::kRouterOwned;
      return is("X-Request-Start") ? Known::kRequestStart : Known::kOther;
    case 16:
      return is("Proxy-Connection") ? Known::kHopByHop : Known::kOther;
    case 17:
      if (is("X-Forwarded-Proto")) return Known::kForwardedProto;
      if (is("X-Vcap-Request-Id")) return Known::kRequestId;
      if (is("X-Cf-App-Instance")) return Known::kAppInstance;
      return is("Transfer-Encoding") ? Known::kHopByHop : Known::kOther;
    case 18:
      if (is("X-Cf-Applicationid") || is("X-Cf-Instanceindex")) return Known::kRouterOwned;
      return is("Proxy-Authenticate") ? Known::kHopByHop : Known::kOther;
    case 19:
      return is("Proxy-Authorization") ? Known::kHopByHop : Known::kOther;
    case 20:
      return is("X-Cf-Proxy-Signature") ? Known::kSignature : Known::kOther;
    case 23:
      return is("X-Forwarded-Client-Cert") ? Known::kForwardedClientCert : Known::kOther;
    default:
      return Known::kOther;
  }
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [name](const auto& n) { return http1_same_name(n, name); });
}

// Names listed in Connection, except for the standard ones and for `protected_names`, which a client may not strip.
std::vector<std::string_view> declared_names(const net::Http1Fields& fields,
                                             const std::vector<std::string>& protected_names) {
  std::vector<std::string_view> out;
  for (const auto& field : fields) {
    if (!http1_same_name(field.name, "Connection")) continue;
    std::string_view list = field.value;
    while (!list.empty()) {
      const auto comma = list.find(',');
      const std::string_view name = base::trim_blanks(list.substr(0, comma));
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
      const bool usual = name.empty() || http1_same_name(name, "keep-alive") || http1_same_name(name, "close") ||
                         http1_same_name(name, "upgrade");
      if (!usual && !contains(protected_names, name)) out.push_back(name);
    }
  }
  return out;
}

bool declared(const std::vector<std::string_view>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [name](auto n) { return http1_same_name(n, name); });
}

void append_client_certificate(std::string& out, const BackendHead& head, const Config& config) {
  if (config.forwarded_client_cert == ForwardedClientCert::kSanitizeSet && !head.client.certificate.empty()) {
    append_field(out, "X-Forwarded-Client-Cert", head.client.certificate);
  }
}

// Whether the client's own X-Forwarded-Client-Cert is passed on (§3.19).
bool keeps_client_certificate(const BackendHead& head, const Config& config) {
  switch (config.forwarded_client_cert) {
    case ForwardedClientCert::kAlwaysForward:
      return true;
    case ForwardedClientCert::kForward:
      return !head.client.certificate.empty();
    case ForwardedClientCert::kSanitizeSet:
      return false;
  }
  return false;
}

// Names that receivers use before they have read the body, or that only a head's writer may set (RFC 9110 §6.5.1).
constexpr std::array<std::string_view, 38> kNoTrailers = {"Age",
                                                          "Authorization",
                                                          "Cache-Control",
                                                          "Connection",
                                                          "Content-Encoding",
                                                          "Content-Length",
                                                          "Content-Range",
                                                          "Content-Type",
                                                          "Cookie",
                                                          "Date",
                                                          "Expect",
                                                          "Expires",
                                                          "Forwarded",
                                                          "Host",
                                                          "Http2-Settings",
                                                          "Keep-Alive",
                                                          "Location",
                                                          "Max-Forwards",
                                                          "Pragma",
                                                          "Proxy-Authenticate",
                                                          "Proxy-Authorization",
                                                          "Proxy-Connection",
                                                          "Range",
                                                          "Realm",
                                                          "Retry-After",
                                                          "Set-Cookie",
                                                          "Set-Cookie2",
                                                          "Te",
                                                          "Trailer",
                                                          "Transfer-Encoding",
                                                          "Upgrade",
                                                          "Vary",
                                                          "Warning",
                                                          "Www-Authenticate",
                                                          "X-Real-Ip",
                                                          "X-Request-Start",
                                                          "Strict-Transport-Security",
                                                          "Content-Disposition"};
// Conditions, and what routers tell backends about clients and routes.
constexpr std::array<std::string_view, 4> kNoTrailerPrefixes = {"If-", "X-Cf-", "X-Forwarded-", "X-Vcap-"};

bool may_be_trailer(std::string_view name) {
  if (!net::http1_is_token(name)) return false;
  for (const auto prefix : kNoTrailerPrefixes) {
    if (http1_same_name(name.substr(0, prefix.size()), prefix)) return false;
  }
  return std::none_of(kNoTrailers.begin(), kNoTrailers.end(), [name](auto n) { return http1_same_name(n, name); });
}

// The names that the sender announces and that are passed on.
void append_announced_trailers(std::string& out, const net::Http1Fields& fields,
                               const std::vector<std::string>& removed) {
  std::string names;
  for (const auto& field : fields) {
    if (!http1_same_name(field.name, "Trailer")) continue;
    std::string_view list = field.value;
    while (!list.empty()) {
      const auto comma = list.find(',');
      const std::string_view name = base::trim_blanks(list.substr(0, comma));
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
      if (!may_be_trailer(name) || contains(removed, name)) continue;
      if (!names.empty()) names += ", ";
      net::append_canonical_name(names, name);
    }
  }
  if (!names.empty()) append_field(out, "Trailer", names);
}

// Backends would parse a target that begins with two slashes as an authority: it is sent in absolute form.
void append_request_line(std::string& out, const net::Http1Request& request, bool to_tls) {
  out.append(request.method).append(" ");
  if (request.target.starts_with("//")) out.append(to_tls ? "https://" : "http://").append(request.host());
  out.append(request.target).append(" HTTP/1.1\r\n");
}

void append_framing(std::string& out, const net::Http1Framing& framing, bool length_of_none) {
  using Kind = net::Http1Framing::Kind;
  if (framing.kind == Kind::kChunked) append_field(out, "Transfer-Encoding", "chunked");
  if (framing.kind == Kind::kLength || (framing.kind == Kind::kNone && length_of_none)) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", framing.length);
  }
}

}  // namespace

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  net::append_http1_value(out, value);
  out += "\r\n";
}

void append_status_line(std::string& out, int status) {
  const std::string_view reason = net::standard_reason(status);
  if (reason.empty()) {
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} status code {}\r\n", status, status);
  } else {
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason);
  }
}

std::string forwarded_for(const net::Http1Request& request, std::string_view client_ip) {
  std::string out;
  for (const auto& field : request.fields) {
    if (known(field.name) == Known::kForwardedFor) out.append(field.value).append(", ");
  }
  return out.append(client_ip);
}

std::string_view forwarded_proto(const net::Http1Request& request, bool client_tls, const Config& config) {
  if (config.force_forwarded_proto_https) return "https";
  const std::string_view given = request.fields.get("X-Forwarded-Proto");
  if (!config.sanitize_forwarded_proto && !given.empty()) return given;
  return client_tls ? "https" : "http";
}

std::string_view upgrade_token(const net::Http1Fields& fields) {
  return fields.has_token("Connection", "upgrade") ? fields.get("Upgrade") : std::string_view();
}

void append_backend_head(std::string& out, const BackendHead& head, const Config& config) {
  const auto& request = head.request;
  append_request_line(out, request, head.endpoint.tls);
  append_field(out, "Host", request.host());
  const auto this_hop_only = declared_names(request.fields, config.hop_by_hop_headers_to_filter);
  bool has_request_start = false;
  for (const auto& field : request.fields) {
    if (!this_hop_only.empty() && declared(this_hop_only, field.name)) continue;
    switch (known(field.name)) {
      case Known::kHopByHop:
      case Known::kHost:
      case Known::kContentLength:
      case Known::kForwardedFor:
      case Known::kForwardedProto:
      case Known::kRequestId:
      case Known::kRouterOwned:
      case Known::kAppInstance:
        continue;
      case Known::kTe:
        if (!request.fields.has_token("Te", "trailers")) continue;
        append_field(out, "Te", "trailers");
        continue;
      case Known::kForwardedClientCert:
        if (!keeps_client_certificate(head, config)) continue;
        break;
      case Known::kRequestStart:
        has_request_start = true;
        break;
      case Known::kDate:
      case Known::kSignature:
      case Known::kOther:
        break;
    }
    net::append_canonical_name(out, field.name);
    out.append(": ").append(field.value).append("\r\n");
  }
  append_field(out, "X-Forwarded-For", head.forwarded_for);
  append_field(out, "X-Forwarded-Proto", head.forwarded_proto);
  append_client_certificate(out, head, config);
  if (!has_request_start) fmt::format_to(std::back_inserter(out), "X-Request-Start: {}\r\n", head.now_ms);
  append_field(out, "X-Vcap-Request-Id", head.request_id);
  append_field(out, "X-Cf-Applicationid", head.endpoint.app);
  append_field(out, "X-Cf-Instanceid", head.endpoint.id());
  append_field(out, "X-Cf-Instanceindex", head.endpoint.instance_index);
  const bool says_length = request.fields.has("Content-Length");
  append_framing(out, head.framing, says_length);
  if (head.framing.kind == net::Http1Framing::Kind::kChunked) append_announced_trailers(out, request.fields, {});
  if (const auto token = upgrade_token(request.fields); !token.empty()) {
    append_field(out, "Connection", "Upgrade");
    append_field(out, "Upgrade", token);
  } else if (head.close) {
    append_field(out, "Connection", "close");
  }
  out += "\r\n";
}

void append_client_head(std::string& out, const ClientHead& head, const HeaderRewrite& rewrite) {
  const auto& response = head.response;
  append_status_line(out, response.status);
  const auto this_hop_only = declared_names(response.fields, {});
  bool has_date = false, has_request_id = false;
  for (const auto& field : response.fields) {
    if (!this_hop_only.empty() && declared(this_hop_only, field.name)) continue;
    const Known kind = known(field.name);
    const bool is_length = kind == Known::kContentLength;
    if (kind == Known::kHopByHop || kind == Known::kSignature || (is_length && !head.keep_length)) continue;
    if (!rewrite.remove.empty() && contains(rewrite.remove, field.name)) continue;
    has_date |= kind == Known::kDate;
    has_request_id |= kind == Known::kRequestId;
    net::append_canonical_name(out, field.name);
    out.append(": ").append(field.value).append("\r\n");
  }
  for (const auto& [name, value] : rewrite.add_if_not_present) {
    if (!response.fields.has(name)) append_field(out, net::canonical_name(name), value);
  }
  if (!has_date) append_field(out, "Date", head.date);
  if (!has_request_id) append_field(out, "X-Vcap-Request-Id", head.request_id);
  if (!head.sticky_cookie.empty()) append_field(out, "Set-Cookie", head.sticky_cookie);
  if (!head.trace_router.empty()) {
    append_field(out, "X-Vcap-Router", head.trace_router);
    append_field(out, "X-Vcap-Backend", head.trace_backend);
    append_field(out, "X-Cf-Routeendpoint", head.trace_backend);
  }
  if (!head.keep_length) {
    if (head.framing.kind == net::Http1Framing::Kind::kChunked) {
      append_announced_trailers(out, response.fields, rewrite.remove);
    }
    append_framing(out, head.framing, response.status >= 200 && response.status != 204 && response.status != 304);
  }
  if (!head.keep_alive) {
    append_field(out, "Connection", "close");
  } else if (head.client_minor == 0) {
    append_field(out, "Connection", "keep-alive");
  }
  out += "\r\n";
}

void append_switching_head(std::string& out, const net::Http1Response& response, std::string_view request_id) {
  append_status_line(out, response.status);
  for (const auto& field : response.fields) {
    const bool is_framing =
        known(field.name) == Known::kContentLength || http1_same_name(field.name, "Transfer-Encoding");
    if (is_framing || known(field.name) == Known::kSignature) continue;
    net::append_canonical_name(out, field.name);
    out.append(": ").append(field.value).append("\r\n");
  }
  if (!response.fields.has("X-Vcap-Request-Id")) append_field(out, "X-Vcap-Request-Id", request_id);
  out += "\r\n";
}

void append_informational_head(std::string& out, const net::Http1Response& response) {
  append_status_line(out, response.status);
  const auto this_hop_only = declared_names(response.fields, {});
  for (const auto& field : response.fields) {
    const Known kind = known(field.name);
    if (kind == Known::kHopByHop || kind == Known::kContentLength || kind == Known::kSignature) continue;
    if (!this_hop_only.empty() && declared(this_hop_only, field.name)) continue;
    net::append_canonical_name(out, field.name);
    out.append(": ").append(field.value).append("\r\n");
  }
  out += "\r\n";
}

void append_last_chunk(std::string& out, std::string_view trailers, const std::vector<std::string>& removed) {
  out += "0\r\n";
  while (!trailers.empty()) {
    const auto end = trailers.find("\r\n");
    const std::string_view line = trailers.substr(0, end);
    trailers = end == std::string_view::npos ? std::string_view() : trailers.substr(end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    if (!may_be_trailer(name) || contains(removed, name)) continue;
    append_field(out, net::canonical_name(name), base::trim_blanks(line.substr(colon + 1)));
  }
  out += "\r\n";
}

std::size_t counted_size(const net::Http1Request& request) {
  constexpr std::size_t kVersion = 8;  // "HTTP/1.1"
  std::size_t size = request.method.size() + request.target.size() + kVersion + 4 + request.host().size() + 8;
  for (const auto& field : request.fields) {
    if (known(field.name) != Known::kHost) size += field.name.size() + field.value.size() + 4;
  }
  return size;
}

}  // namespace rivera::gorouter
