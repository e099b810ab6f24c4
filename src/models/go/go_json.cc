#include "models/go/go_json.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include <boost/json/stream_parser.hpp>

namespace rivera::models::go_json {

namespace json = boost::json;

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// U+2028 and U+2029 are E2 80 A8 and E2 80 A9: legal JSON that breaks JavaScript, so Go escapes them.
bool is_line_separator(std::string_view text, std::size_t at) {
  return text.size() - at >= 3 && text.substr(at, 2) == "\xe2\x80" &&
         (text[at + 2] == '\xa8' || text[at + 2] == '\xa9');
}

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHexDigits[c >> 4];
      out += kHexDigits[c & 15];
  }
}

bool needs_escape(unsigned char c) { return c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'; }

}  // namespace

void Writer::separate() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

Writer& Writer::open(char bracket) {
  separate();
  out_ += bracket;
  needs_comma_ = false;
  return *this;
}

Writer& Writer::close(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_quoted(name);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

Writer& Writer::text(std::string_view value) {
  separate();
  append_quoted(value);
  return *this;
}

void Writer::append_quoted(std::string_view value) {
  out_ += '"';
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    const bool separator = c == 0xe2 && is_line_separator(value, i);
    if (!separator && !needs_escape(c)) continue;
    out_ += value.substr(plain_from, i - plain_from);
    if (separator) {
      out_ += value[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      append_escape(out_, c);
    }
    plain_from = i + 1;
  }
  out_ += value.substr(plain_from);
  out_ += '"';
}

Writer& Writer::integer(std::int64_t value) {
  separate();
  out_ += std::to_string(value);
  return *this;
}

Writer& Writer::natural(std::uint64_t value) {
  separate();
  out_ += std::to_string(value);
  return *this;
}

Writer& Writer::number(double value) {
  separate();
  char buffer[64];
  const double size = std::abs(value);
  // Go prints plain decimals except for very small and very large numbers.
  const bool scientific = size != 0 && (size < 1e-6 || size >= 1e21);
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format);
  if (end.ec != std::errc{} || !std::isfinite(value)) {
    out_ += '0';  // no JSON form exists; Go refuses such a value altogether
    return *this;
  }
  std::string text(buffer, end.ptr);
  // Go writes e-9 where C++ writes e-09.
  const auto exponent = text.find("e-0");
  if (exponent != std::string::npos) text.erase(exponent + 2, 1);
  out_ += text;
  return *this;
}

Writer& Writer::flag(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  separate();
  out_ += "null";
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

json::value parse(std::string_view text, Rest rest, json::storage_ptr memory) {
  json::parse_options options;
  options.max_depth = 128;
  json::stream_parser parser(std::move(memory), options);
  boost::system::error_code ec;
  if (rest == Rest::kIsError) {
    parser.write(text.data(), text.size(), ec);
  } else {
    parser.write_some(text.data(), text.size(), ec);
  }
  if (!ec && !parser.done()) parser.finish(ec);
  if (ec) throw JsonError("invalid JSON: " + ec.message());
  return parser.release();
}

bool same_key(std::string_view key, std::string_view name) {
  // The two letters beyond ASCII whose other case is an ASCII one.
  constexpr std::string_view kLongS = "\xc5\xbf", kKelvin = "\xe2\x84\xaa";
  std::size_t at = 0;
  for (const char c : name) {
    const std::string_view rest = key.substr(at);
    if (rest.empty()) return false;
    if (lower(c) == 's' && rest.starts_with(kLongS)) {
      at += kLongS.size();
    } else if (lower(c) == 'k' && rest.starts_with(kKelvin)) {
      at += kKelvin.size();
    } else if (lower(rest.front()) == lower(c)) {
      ++at;
    } else {
      return false;
    }
  }
  return at == key.size();
}

void fail(std::string_view key, std::string_view expected) {
  throw JsonError(std::string(key) + ": expected " + std::string(expected));
}

void read(const json::value& value, std::string_view key, std::string& into) {
  if (value.is_null()) return;
  if (!value.is_string()) fail(key, "a string");
  into.assign(value.get_string().data(), value.get_string().size());
}

void read(const json::value& value, std::string_view key, bool& into) {
  if (value.is_null()) return;
  if (!value.is_bool()) fail(key, "true or false");
  into = value.get_bool();
}

void read(const json::value& value, std::string_view key, std::int64_t& into) {
  if (value.is_null()) return;
  // A number that does not fit 64 bits, or is written with a fraction or an exponent, is not an int64 to the parser.
  if (!value.is_int64()) fail(key, "an integer of 64 bits");
  into = value.get_int64();
}

void read(const json::value& value, std::string_view key, std::int32_t& into) {
  if (value.is_null()) return;
  using Limits = std::numeric_limits<std::int32_t>;
  if (!value.is_int64() || value.get_int64() < Limits::min() || value.get_int64() > Limits::max()) {
    fail(key, "an integer of 32 bits");
  }
  into = static_cast<std::int32_t>(value.get_int64());
}

void read(const json::value& value, std::string_view key, std::uint64_t& into) {
  if (value.is_null()) return;
  if (value.is_uint64()) {
    into = value.get_uint64();
    return;
  }
  if (!value.is_int64() || value.get_int64() < 0) fail(key, "a natural number of 64 bits");
  into = static_cast<std::uint64_t>(value.get_int64());
}

void read(const json::value& value, std::string_view key, double& into) {
  if (value.is_null()) return;
  if (!value.is_number()) fail(key, "a number");
  into = value.to_number<double>();
}

void read(const json::value& value, std::string_view key, StringList& into) {
  read_list(value, key, into, [key](const json::value& element, std::string& item) { read(element, key, item); });
}

void write(Writer& out, const StringList& list) {
  if (list.is_null()) {
    out.null();
    return;
  }
  out.begin_list();
  for (const auto& item : list) out.text(item);
  out.end_list();
}

}  // namespace rivera::models::go_json
