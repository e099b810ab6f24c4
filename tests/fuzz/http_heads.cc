#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>

#include "base/log/trace.h"
#include "base/text.h"
#include "file_server/conditions.h"
#include "file_server/static_files.h"
#include "gorouter/proxy/request_traits.h"
#include "gorouter/proxy/sticky.h"
#include "gorouter/replies/access_log.h"
#include "gorouter/replies/headers.h"
#include "net/http/http.h"
#include "net/http1/http1_body.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

using namespace gorouter;

constexpr std::string_view kClient = "10.0.32.9";

routing::Endpoint an_endpoint() {
  routing::Endpoint endpoint;
  endpoint.address = "10.0.16.5:61001";
  endpoint.host = "10.0.16.5";
  endpoint.port = 61001;
  endpoint.app = "app";
  endpoint.instance_id = "instance";
  endpoint.instance_index = "3";
  return endpoint;
}

Config config_of(unsigned settings) {
  Config config;
  config.forwarded_client_cert = static_cast<ForwardedClientCert>(settings % 3);
  config.force_forwarded_proto_https = (settings & 4) != 0;
  config.sanitize_forwarded_proto = (settings & 8) != 0;
  config.sticky_for_negotiate = (settings & 16) != 0;
  config.hop_by_hop_headers_to_filter = {"X-Forwarded-For", "Authorization"};
  config.extra_headers_to_log = {"X-Extra"};
  config.rewrite.remove = {"X-Removed"};
  config.rewrite.add_if_not_present = {{"x-added", "value"}};
  return config;
}

bool same_framing(const net::Http1Framing& a, const net::Http1Framing& b) {
  return a.kind == b.kind && a.length == b.length;
}

void check_sent_request(const net::Http1Request& sent, const BackendHead& head, const Config& config) {
  if (sent.fields.count("Host") != 1 || sent.fields.get("Host") != head.request.host()) broken("one Host is sent");
  const auto framing = must_accept("a backend knows where the body ends", [&] { return net::framing_of(sent); });
  if (!same_framing(framing, head.framing)) broken("a backend reads the same body");
  if (sent.method != head.request.method) broken("the method is passed on");
  const std::array<std::pair<const char*, std::string_view>, 6> ours = {
      {{"X-Forwarded-For", head.forwarded_for},
       {"X-Forwarded-Proto", head.forwarded_proto},
       {"X-Vcap-Request-Id", head.request_id},
       {"X-Cf-Applicationid", head.endpoint.app},
       {"X-Cf-Instanceid", head.endpoint.instance_id},
       {"X-Cf-Instanceindex", head.endpoint.instance_index}}};
  for (const auto& [name, value] : ours) {
    if (sent.fields.count(name) != 1 || sent.fields.get(name) != value)
      broken(std::string("one is sent, ours: ") + name);
  }
  if (!sent.fields.get("X-Forwarded-For").ends_with(kClient)) broken("the client's address is the last");
  for (const char* name : {"Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "X-Cf-App-Instance"}) {
    if (sent.fields.has(name)) broken(std::string("of this hop only: ") + name);
  }
  const bool is_set = config.forwarded_client_cert == ForwardedClientCert::kSanitizeSet;
  const auto certificates = sent.fields.count("X-Forwarded-Client-Cert");
  const bool is_ours = certificates == 1 && sent.fields.get("X-Forwarded-Client-Cert") == head.client.certificate;
  const bool is_wanted = !head.client.certificate.empty();
  if (is_set && (is_wanted ? !is_ours : certificates != 0)) broken("a client's certificate is the verified one");
  if (config.forwarded_client_cert == ForwardedClientCert::kForward && !is_wanted && certificates != 0) {
    broken("a certificate comes from a verified peer");
  }
}

void log_request(const net::Http1Request& request, const Config& config, const BackendHead& head) {
  AccessRecord record;
  record.host = request.host();
  record.method = request.method;
  record.target = request.target;
  record.referer = request.fields.get("Referer");
  record.user_agent = request.fields.get("User-Agent");
  record.forwarded_for = head.forwarded_for;
  record.forwarded_proto = head.forwarded_proto;
  record.extra_headers = {{"x_extra", std::string(request.fields.get("X-Extra"))}};
  const std::string line = format_access_record(record, config);
  if (!line.ends_with('\n') || std::ranges::count(line, '\n') != 1 || line.find('\r') != std::string::npos) {
    broken("a request is one line of the log");
  }
}

void request(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto settings = static_cast<unsigned char>(bytes.front());
  const Config config = config_of(settings);
  const auto length = net::http1_head_length(bytes.substr(1));
  if (!length) return;
  net::Http1Request read;
  net::parse_http1_request(bytes.substr(1, *length), read);
  const routing::Endpoint endpoint = an_endpoint();
  ClientInfo client{kClient, (settings & 32) != 0, (settings & 64) != 0 ? "certificate" : ""};
  const std::string addresses = forwarded_for(read, kClient);
  const BackendHead head{
      read, net::framing_of(read), client, addresses, forwarded_proto(read, client.tls, config), "id", endpoint, false,
      1'000};
  const auto traits = traits_of(read, head.framing);
  if (traits.is_websocket && head.framing.kind != net::Http1Framing::Kind::kNone) broken("a websocket has no body");
  std::string sent;
  append_backend_head(sent, head, config);
  net::Http1Request again;
  const auto sent_length = net::http1_head_length(sent);
  if (!sent_length || *sent_length != sent.size()) broken("a head ends where it should");
  must_accept("a request that is passed on can be read", [&] { net::parse_http1_request(sent, again); });
  check_sent_request(again, head, config);
  log_request(read, config, head);
  counted_size(read);
}

void check_cookie(const net::Http1Fields& response, const Config& config) {
  const StickyRules rules{config.sticky_cookie_names, config.secure_cookies, config.sticky_for_negotiate};
  const std::string cookie = sticky_cookie(response, {}, "instance", "/a", rules);
  if (!net::http1_is_field_value(cookie)) broken("a cookie can stand in a field");
  if (!cookie.empty() && !cookie.starts_with("__VCAP_ID__=instance; Path=/a")) broken("a cookie names the instance");
}

void response(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const Config config = config_of(static_cast<unsigned char>(bytes[0]));
  const bool to_head = (bytes[1] & 1) != 0;
  bytes.remove_prefix(2);
  const auto length = net::http1_head_length(bytes);
  if (!length) return;
  net::Http1Response read;
  net::parse_http1_response(bytes.substr(0, *length), read);
  ClientHead head{.response = read, .framing = net::framing_of(read, to_head)};
  head.keep_length = to_head || read.status == 304;
  head.request_id = "id";
  head.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  check_cookie(read.fields, config);
  std::string sent;
  if (read.status == 101) {
    append_switching_head(sent, read, "id");
  } else if (read.status < 200) {
    append_informational_head(sent, read);
  } else {
    append_client_head(sent, head, config.rewrite);
  }
  net::Http1Response again;
  const auto sent_length = net::http1_head_length(sent);
  if (!sent_length || *sent_length != sent.size()) broken("a head ends where it should");
  must_accept("a response that is passed on can be read", [&] { net::parse_http1_response(sent, again); });
  if (again.status != read.status) broken("the status is passed on");
  const auto framing =
      must_accept("a client knows where the body ends", [&] { return net::framing_of(again, to_head); });
  if (!same_framing(framing, head.framing)) broken("a client reads the same body");
  if (read.status >= 200 && again.fields.has("X-Removed")) broken("a removed field is not sent");
}

void trailers(std::string_view bytes) {
  std::string sent;
  append_last_chunk(sent, bytes, {"X-Removed"});
  net::Http1BodyDecoder body(net::Http1Framing{net::Http1Framing::Kind::kChunked, 0});
  std::string_view rest = sent;
  while (!rest.empty() && !body.complete()) {
    const auto content = must_accept("trailers can be read", [&] { return body.next(rest); });
    if (!content.empty()) broken("trailers are no content");
  }
  if (!body.complete() || !rest.empty()) broken("trailers end the body");
}

// A request of the file server: "path\nName: value\r\n..."
void file(std::string_view bytes) {
  const auto end = std::min(bytes.find('\n'), bytes.size());
  if (const auto path = file_server::clean_path(bytes.substr(0, end))) {
    const std::string around = "/" + *path + "/";
    if (path->starts_with('/') || around.find("/../") != std::string::npos || path->find('\0') != std::string::npos) {
      broken("a path stays below the root");
    }
  }
  net::Headers headers;
  std::string_view rest = bytes.substr(std::min(end + 1, bytes.size()));
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto colon = std::min(line.find(':'), line.size());
    headers.add(std::string(line.substr(0, colon)),
                std::string(base::trim_blanks(line.substr(std::min(colon + 1, line.size())))));
  }
  const file_server::FileVersion version{"\"etag\"", 784'111'777, 1000};
  const auto verdict = file_server::judge(headers, version);
  if ((verdict.kind == file_server::Verdict::Kind::kPartial) == verdict.ranges.empty()) broken("a part has ranges");
  std::uint64_t total = 0;
  for (const auto& range : verdict.ranges) {
    if (range.length == 0 || range.start >= version.size || range.length > version.size - range.start) {
      broken("a range is within the file");
    }
    total += range.length;
  }
  if (total > version.size) broken("no more is sent than the file has");
  file_server::content_type(bytes.substr(0, end), rest);
}

void text(std::string_view bytes) {
  if (net::percent_decode(net::percent_encode(bytes)) != bytes) broken("what is escaped reads as itself");
  if (net::percent_decode(bytes, true).size() > bytes.size()) broken("an unescaped text is no longer");
  if (const auto date = file_server::parse_http_date(bytes)) {
    const std::string printed = file_server::format_http_date(*date);
    if (file_server::parse_http_date(printed) != date) broken("a date reads as itself: " + printed);
  }
  const auto trace = base::trace_id_of(bytes);
  if (trace && (trace->size() != 32 && trace->size() != 16)) broken("a trace id has 16 or 32 digits");
  if (trace && trace->find_first_not_of("0123456789abcdef") != std::string::npos) broken("a trace id is hexadecimal");
}

constexpr std::array<Target, 5> kHeads = {request, response, trailers, file, text};

}  // namespace

void http_heads(std::string_view bytes) {
  if (bytes.empty()) return;
  try {
    kHeads[static_cast<unsigned char>(bytes.front()) % kHeads.size()](bytes.substr(1));
  } catch (const net::Http1Error& e) {
    if (e.status < 400) broken("a bad message has an error status");
  }
}

}  // namespace rivera::fuzz
