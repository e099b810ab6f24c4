#include "net/http1/http1.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace rivera::net {
namespace {

constexpr std::size_t kMostFields = 10'000;

constexpr bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

struct TokenTable {
  bool is_token[256] = {};
  constexpr TokenTable() {
    for (int i = 0; i < 256; ++i) is_token[i] = is_token_char(static_cast<char>(i));
  }
};
constexpr TokenTable kTokens;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }

// The next line of `rest` without its end ("\r\n" or "\n").
std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void parse_fields(std::string_view rest, Http1Fields& into) {
  into.clear();
  for (;;) {
    const std::string_view line = take_line(rest);
    if (line.empty()) return;
    const auto colon = line.find(':');
    // A name that begins with a blank would continue the line before: obsolete, and readers differ about it.
    if (colon == std::string_view::npos || !http1_is_token(line.substr(0, colon)))
      throw Http1Error("malformed header line");
    const std::string_view value = base::trim_blanks(line.substr(colon + 1));
    if (!http1_is_field_value(value)) throw Http1Error("malformed header value");
    if (into.size() == kMostFields) throw Http1Error("too many header fields", 431);
    into.add({line.substr(0, colon), value});
  }
}

// "HTTP/1.1"
void parse_version(std::string_view text, int& major, int& minor) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7])) {
    throw Http1Error("malformed HTTP version");
  }
  major = text[5] - '0';
  minor = text[7] - '0';
}

bool is_hex(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }

// "scheme://..."
bool is_absolute(std::string_view target) {
  const std::string_view scheme = target.substr(0, target.find("://"));
  if (scheme.empty() || scheme.size() == target.size()) return false;
  return std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '+' || c == '-' || c == '.';
  });
}

void check_target(std::string_view method, std::string_view target) {
  for (const char c : target) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u == 0x7f) throw Http1Error("malformed request target");
  }
  const bool has_form =
      target.starts_with('/') || is_absolute(target) || target == "*" || (method == "CONNECT" && !target.empty());
  if (!has_form) throw Http1Error("malformed request target");
  const std::string_view path = target.substr(0, target.find('?'));
  for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1)) {
    if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) throw Http1Error("malformed escape");
  }
}

bool is_alphanumeric(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }

// The characters of a registered name (RFC 3986 §3.2.2), IPv4 addresses included.
bool is_registered_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("-._~!$&'()*+,;=%").find(c) != std::string_view::npos;
  });
}

// "2001:db8::1", "fe80::1%25eth0"
bool is_bracketed_address(std::string_view text) {
  const std::string_view address = text.substr(0, text.find('%'));
  const bool is_address =
      address.find(':') != std::string_view::npos &&
      std::all_of(address.begin(), address.end(), [](char c) { return is_hex(c) || c == ':' || c == '.'; });
  return is_address && is_registered_name(text.substr(address.size()));
}

bool is_absolute_form(std::string_view target) {
  return !target.starts_with('/') && target.find("://") != std::string_view::npos;
}

// What routes a request, and what a backend and a log get as its host.
void check_host(const Http1Request& request) {
  const std::string_view field = request.fields.get("Host");
  if (!field.empty() && !http1_is_host(field)) throw Http1Error("malformed Host header");
  if (!is_absolute_form(request.target)) return;
  const std::string_view authority = request.authority();
  const auto at = authority.find('@');
  const bool has_user = at != std::string_view::npos;
  const std::string_view user = has_user ? authority.substr(0, at) : std::string_view();
  const std::string_view host = has_user ? authority.substr(at + 1) : authority;
  const bool is_user = std::all_of(user.begin(), user.end(),
                                   [](char c) { return c == ':' || is_registered_name(std::string_view(&c, 1)); });
  if (!is_user || (!host.empty() && !http1_is_host(host))) throw Http1Error("malformed host of the request target");
}

// The one value that all Content-Length fields have.
std::optional<std::uint64_t> content_length(const Http1Fields& fields) {
  std::optional<std::uint64_t> length;
  for (const auto& field : fields) {
    if (!http1_same_name(field.name, "Content-Length")) continue;
    std::uint64_t value = 0;
    const char* end = field.value.data() + field.value.size();
    const auto [at, ec] = std::from_chars(field.value.data(), end, value);
    if (field.value.empty() || ec != std::errc() || at != end) throw Http1Error("malformed Content-Length");
    if (length && *length != value) throw Http1Error("contradicting Content-Length fields");
    length = value;
  }
  return length;
}

// True for "chunked"; false if there is no transfer encoding.
bool is_chunked(const Http1Fields& fields) {
  const std::size_t encodings = fields.count("Transfer-Encoding");
  if (encodings == 0) return false;
  if (encodings > 1 || !http1_same_name(fields.get("Transfer-Encoding"), "chunked")) {
    throw Http1Error("unsupported transfer encoding");
  }
  return true;
}

bool keeps_alive(int minor, const Http1Fields& fields) {
  if (fields.has_token("Connection", "close")) return false;
  return minor >= 1 || fields.has_token("Connection", "keep-alive");
}

}  // namespace

bool http1_is_token(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!kTokens.is_token[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

bool http1_is_field_value(std::string_view text) {
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < ' ' && u != '\t') || u == 0x7f) return false;
  }
  return true;
}

bool http1_is_host(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !is_bracketed_address(text.substr(1, end - 1))) return false;
    port = text.substr(end + 1);
  } else {
    const auto colon = std::min(text.find(':'), text.size());
    if (colon == 0 || !is_registered_name(text.substr(0, colon))) return false;
    port = text.substr(colon);
  }
  if (port.empty()) return true;
  return port.front() == ':' && std::all_of(port.begin() + 1, port.end(), is_digit);
}

void append_http1_value(std::string& out, std::string_view value) {
  const std::size_t start = out.size();
  out += value;
  if (http1_is_field_value(value)) return;
  for (std::size_t i = start; i < out.size(); ++i) {
    if (!http1_is_field_value(std::string_view(out).substr(i, 1))) out[i] = ' ';
  }
}

bool http1_same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

const Http1Field* Http1Fields::find(std::string_view name) const {
  for (const auto& field : fields_) {
    if (http1_same_name(field.name, name)) return &field;
  }
  return nullptr;
}

std::string_view Http1Fields::get(std::string_view name) const {
  const auto* field = find(name);
  return field == nullptr ? std::string_view() : field->value;
}

std::size_t Http1Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(), [name](const Http1Field& field) { return http1_same_name(field.name, name); }));
}

bool Http1Fields::has_token(std::string_view name, std::string_view token) const {
  for (const auto& field : fields_) {
    if (!http1_same_name(field.name, name)) continue;
    std::string_view list = field.value;
    while (!list.empty()) {
      const auto comma = list.find(',');
      if (http1_same_name(base::trim_blanks(list.substr(0, comma)), token)) return true;
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
  }
  return false;
}

std::string_view Http1Request::host() const {
  if (!is_absolute_form(target)) return fields.get("Host");
  const std::string_view all = authority();
  const auto at = all.rfind('@');
  return at == std::string_view::npos ? all : all.substr(at + 1);
}

std::string_view Http1Request::authority() const {
  const std::string_view rest = target.substr(target.find("://") + 3);
  return rest.substr(0, rest.find_first_of("/?"));
}

std::string_view Http1Request::path() const {
  std::string_view path = target;
  const auto scheme = target.find("://");
  if (is_absolute_form(target)) {
    const auto start = target.find_first_of("/?", scheme + 3);
    path = start == std::string_view::npos ? std::string_view() : target.substr(start);
  }
  path = path.substr(0, path.find('?'));
  return path.starts_with('/') ? path : std::string_view("/");
}

bool Http1Request::keep_alive() const { return keeps_alive(minor, fields); }
bool Http1Response::keep_alive() const { return keeps_alive(minor, fields); }

std::optional<std::size_t> http1_head_length(std::string_view bytes, std::size_t searched) {
  // A line end may have been searched without the bytes after it.
  std::size_t at = searched < 3 ? 0 : searched - 3;
  for (;;) {
    at = bytes.find('\n', at);
    if (at == std::string_view::npos) return std::nullopt;
    if (bytes.substr(at + 1).starts_with('\n')) return at + 2;
    if (bytes.substr(at + 1).starts_with("\r\n")) return at + 3;
    ++at;
  }
}

void parse_http1_request(std::string_view head, Http1Request& into) {
  std::string_view rest = head;
  const std::string_view line = take_line(rest);
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) throw Http1Error("malformed request line");
  into.method = line.substr(0, first);
  into.target = line.substr(first + 1, last - first - 1);
  if (!http1_is_token(into.method)) throw Http1Error("malformed method");
  parse_version(line.substr(last + 1), into.major, into.minor);
  check_target(into.method, into.target);
  parse_fields(rest, into.fields);
  if (into.fields.count("Host") > 1) throw Http1Error("too many Host headers");
  const bool needs_host = into.major == 1 && into.minor >= 1;
  if (needs_host && !into.fields.has("Host")) throw Http1Error("missing required Host header");
  check_host(into);
}

void parse_http1_response(std::string_view head, Http1Response& into) {
  std::string_view rest = head;
  const std::string_view line = take_line(rest);
  int major = 0;
  parse_version(line.substr(0, line.find(' ')), major, into.minor);
  if (major != 1) throw Http1Error("unsupported HTTP version");
  const std::string_view status = line.size() > 8 ? line.substr(9) : std::string_view();
  const bool is_number = status.size() >= 3 && is_digit(status[0]) && is_digit(status[1]) && is_digit(status[2]) &&
                         (status.size() == 3 || status[3] == ' ');
  if (!is_number || status[0] == '0') throw Http1Error("malformed status line");
  into.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  into.reason = status.size() > 4 ? status.substr(4) : std::string_view();
  if (!http1_is_field_value(into.reason)) throw Http1Error("malformed reason");
  parse_fields(rest, into.fields);
}

Http1Framing framing_of(const Http1Request& request) {
  const auto length = content_length(request.fields);
  if (is_chunked(request.fields)) {
    // A length beside it is how requests are smuggled (RFC 9112 §6.3); an HTTP/1.0 client cannot mean it.
    if (length || request.minor == 0) throw Http1Error("contradicting message framing");
    return {Http1Framing::Kind::kChunked, 0};
  }
  if (!length || *length == 0) return {};
  return {Http1Framing::Kind::kLength, *length};
}

Http1Framing framing_of(const Http1Response& response, bool to_head) {
  const bool bodyless = to_head || response.status < 200 || response.status == 204 || response.status == 304;
  if (bodyless) return {};
  if (is_chunked(response.fields)) return {Http1Framing::Kind::kChunked, 0};
  const auto length = content_length(response.fields);
  if (!length) return {Http1Framing::Kind::kUntilClose, 0};
  if (*length == 0) return {};
  return {Http1Framing::Kind::kLength, *length};
}

void append_canonical_name(std::string& out, std::string_view name) {
  if (!http1_is_token(name)) {
    out += name;
    return;
  }
  bool start = true;
  for (const char c : name) {
    out += start ? upper(c) : lower(c);
    start = c == '-';
  }
}

std::string canonical_name(std::string_view name) {
  std::string out;
  append_canonical_name(out, name);
  return out;
}

}  // namespace rivera::net
