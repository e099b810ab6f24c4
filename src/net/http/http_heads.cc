#include "net/http/http_heads.h"

#include <charconv>
#include <stdexcept>

namespace rivera::net {
namespace {

void copy_fields(const Http1Fields& from, Headers& into) {
  into.reserve(from.size());
  for (const auto& field : from) into.add(std::string(field.name), std::string(field.value));
}

void append_number(std::string& out, std::size_t number, int base) {
  char digits[24];
  const auto [end, ec] = std::to_chars(digits, digits + sizeof digits, number, base);
  out.append(digits, end);
}

void append_fields(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    append_http1_value(out, name);
    out += ": ";
    append_http1_value(out, value);
    out += "\r\n";
  }
  out += "\r\n";
}

bool is_one_word(std::string_view text) {
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u == 0x7f) return false;
  }
  return !text.empty();
}

}  // namespace

void copy_head(const Http1Request& from, RequestHead& into) {
  into.method = from.method;
  into.target = from.target;
  into.version = from.minor == 0 ? 10 : 11;
  copy_fields(from.fields, into.headers);
}

void copy_head(const Http1Response& from, ResponseHead& into) {
  into.status = from.status;
  into.reason = from.reason;
  copy_fields(from.fields, into.headers);
}

void append_head(std::string& out, const ResponseHead& head) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::size_t>(head.status), 10);
  out += ' ';
  append_http1_value(out, head.reason.empty() ? standard_reason(head.status) : std::string_view(head.reason));
  out += "\r\n";
  append_fields(out, head.headers);
}

void append_head(std::string& out, const RequestHead& head) {
  if (!http1_is_token(head.method)) throw std::invalid_argument("not an HTTP method: \"" + head.method + "\"");
  if (!is_one_word(head.target))
    throw std::invalid_argument("not a target of an HTTP request: \"" + head.target + "\"");
  out += head.method;
  out += ' ';
  out += head.target;
  out += head.version == 10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  append_fields(out, head.headers);
}

void append_chunk(std::string& out, std::string_view bytes) {
  append_number(out, bytes.size(), 16);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

}  // namespace rivera::net
