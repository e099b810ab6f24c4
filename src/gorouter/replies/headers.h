// Builds the message heads for backends and clients (docs/spec/routing.md §3.12). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gorouter/settings/config.h"
#include "net/http1/http1.h"
#include "routing/endpoint.h"

namespace rivera::gorouter {

// The client of a request.
struct ClientInfo {
  std::string_view ip;
  bool tls = false;
  std::string_view certificate;  // the verified one's PEM body in one line; "" without one
};

// Also written to the access log.
std::string forwarded_for(const net::Http1Request& request, std::string_view client_ip);
std::string_view forwarded_proto(const net::Http1Request& request, bool client_tls, const Config& config);

// The token of an upgrade request ("websocket"), "" for other requests.
std::string_view upgrade_token(const net::Http1Fields& fields);

struct BackendHead {
  const net::Http1Request& request;
  net::Http1Framing framing;
  ClientInfo client;
  std::string_view forwarded_for;
  std::string_view forwarded_proto;
  std::string_view request_id;
  const routing::Endpoint& endpoint;
  bool close = false;  // asks the backend to close the connection after its response
  std::int64_t now_ms = 0;
};
void append_backend_head(std::string& out, const BackendHead& head, const Config& config);

struct ClientHead {
  const net::Http1Response& response;
  net::Http1Framing framing;  // of the response to the client; kUntilClose: neither length nor chunks
  bool keep_length = false;   // keeps the backend's Content-Length although no body follows (HEAD, 304)
  int client_minor = 1;
  bool keep_alive = true;
  std::string_view request_id = {};
  std::string_view sticky_cookie = {};  // "" = none
  std::string_view trace_router = {};   // the trace headers' values; "" = none
  std::string_view trace_backend = {};
  std::string_view date = {};
};
void append_client_head(std::string& out, const ClientHead& head, const HeaderRewrite& rewrite);
// The head of a 101. Keeps the upgrade fields.
void append_switching_head(std::string& out, const net::Http1Response& response, std::string_view request_id);
// The head of any other 1xx.
void append_informational_head(std::string& out, const net::Http1Response& response);

// What ends a chunked body, with those of `trailers` (each "Name: value\r\n") that are passed on: not what concerns
// framing, routing, the hop, authentication or the router's own fields, and nothing in `removed`.
void append_last_chunk(std::string& out, std::string_view trailers, const std::vector<std::string>& removed = {});

// "HTTP/1.1 200 OK\r\n"
void append_status_line(std::string& out, int status);
// Control characters in the value become blanks.
void append_field(std::string& out, std::string_view name, std::string_view value);

// The size of a request's head as upstream counts it (§3.12 "Limits"), in bytes.
std::size_t counted_size(const net::Http1Request& request);

}  // namespace rivera::gorouter
