// The heads of HTTP/1 messages as views into the received bytes, and how the body after a head is delimited. Pure, and
// nothing but the standard library: servers, clients, the router and the health check of containers all read with it.
//
// Strict wherever two readers could understand a message differently (RFC 9112 §11.2): that is where request smuggling
// starts. http1_body.h takes bodies apart, http1_reader.h does both on a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::net {

// The bytes are not an HTTP/1 message. `status` is what a server answers to a request of that kind.
class Http1Error : public std::runtime_error {
 public:
  Http1Error(const std::string& message, int http_status = 400) : std::runtime_error(message), status(http_status) {}
  int status;
};

struct Http1Field {
  std::string_view name;   // as sent
  std::string_view value;  // without blanks around it
};

// Header fields in the order they came. Names compare without case.
class Http1Fields {
 public:
  const Http1Field* find(std::string_view name) const;
  // The first value, "" if there is none.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::size_t count(std::string_view name) const;
  // True if a comma-separated list under that name holds `token`, without case.
  bool has_token(std::string_view name, std::string_view token) const;

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  void clear() { fields_.clear(); }
  void add(Http1Field field) { fields_.push_back(field); }

 private:
  std::vector<Http1Field> fields_;
};

struct Http1Request {
  std::string_view method;
  std::string_view target;  // as sent: "/path?query", "http://host/path", "*"
  int major = 1;
  int minor = 1;
  Http1Fields fields;

  // The host the request is for, with port: of an absolute target, else the Host field.
  std::string_view host() const;
  // "user@host:port" of an absolute target; only for such a one.
  std::string_view authority() const;
  // The target's path as sent, without query; "/" if it has none.
  std::string_view path() const;
  bool keep_alive() const;
};

struct Http1Response {
  int status = 0;
  std::string_view reason;
  int minor = 1;
  Http1Fields fields;

  bool keep_alive() const;
};

// How long the head at the beginning of `bytes` is, blank line included; nullopt if it is not complete. `searched`
// bytes have been searched before.
std::optional<std::size_t> http1_head_length(std::string_view bytes, std::size_t searched = 0);

// `head` is a whole head; the result's views point into it. Throws Http1Error: 431 for more than 10,000 fields, else
// 400. The host of a request is empty or as http1_is_host() says.
void parse_http1_request(std::string_view head, Http1Request& into);
void parse_http1_response(std::string_view head, Http1Response& into);

struct Http1Framing {
  enum class Kind { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  // of kLength
};

// How the body after that head is delimited. Throws Http1Error for lengths that contradict one another or the transfer
// encoding, and for encodings other than chunked.
Http1Framing framing_of(const Http1Request& request);
// `to_head`: the answer to a HEAD request.
Http1Framing framing_of(const Http1Response& response, bool to_head);

// "content-TYPE" -> "Content-Type", as Go spells names; a name with characters that are no part of one stays as it is.
void append_canonical_name(std::string& out, std::string_view name);
std::string canonical_name(std::string_view name);

// Whether two names are the same without regard to case.
bool http1_same_name(std::string_view a, std::string_view b);
// Whether `text` may be a method or a field's name.
bool http1_is_token(std::string_view text);
// Whether `text` may be a field's value: no control characters except the tab.
bool http1_is_field_value(std::string_view text);
// Whether `text` is "name", "10.0.0.1" or "[2001:db8::1]", each with or without ":port" (RFC 3986 §3.2.2).
bool http1_is_host(std::string_view text);

// Appends a field's value. Control characters other than the tab become blanks: no value can end its line.
void append_http1_value(std::string& out, std::string_view value);

}  // namespace rivera::net
