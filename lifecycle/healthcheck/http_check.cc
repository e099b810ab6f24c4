#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "healthcheck/check.h"

namespace healthcheck {
namespace {

constexpr int kMostRedirects = 10;
constexpr std::size_t kHeadLimit = 1u << 20;

struct Target {
  std::string address;
  int port = 0;
  std::string path;
};

struct Answer {
  int error = 0;  // errno; ETIMEDOUT
  int status = 0;
  std::string location{};
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// The value of a header field in a head, "" if it is not there.
std::string field(std::string_view head, std::string_view name) {
  for (auto at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    auto line = head.substr(at + 1);
    line = line.substr(0, line.find('\n'));
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && lower(trimmed(line.substr(0, colon))) == name) {
      return std::string(trimmed(line.substr(colon + 1)));
    }
  }
  return {};
}

// 0 if the head is no HTTP response's.
int status_of(std::string_view head) {
  if (!head.starts_with("HTTP/1.")) return 0;
  const auto space = head.find(' ');
  if (space == std::string_view::npos) return 0;
  const auto code = head.substr(space + 1, 3);
  int status = 0;
  std::from_chars(code.data(), code.data() + code.size(), status);
  return status;
}

// Whether a chunked body has come to its end: looked for at the end only, for the body itself is of no interest.
bool is_last_chunk(std::string_view tail) { return tail.ends_with("\r\n0\r\n\r\n") || tail == "0\r\n\r\n"; }

// Reads the rest of a body. Servers that close at its end may take as long as the deadline allows.
int drain(Connection& connection, std::string_view head, std::string body) {
  const bool chunked = lower(field(head, "transfer-encoding")).find("chunked") != std::string::npos;
  const auto length_text = field(head, "content-length");
  std::uint64_t length = 0;
  const bool has_length =
      !length_text.empty() &&
      std::from_chars(length_text.data(), length_text.data() + length_text.size(), length).ec == std::errc();
  std::uint64_t received = body.size();
  for (;;) {
    if (chunked ? is_last_chunk(body) : has_length && received >= length) return 0;
    const auto piece = connection.read();
    if (piece.empty()) return connection.error();
    received += piece.size();
    body += piece;
    if (body.size() > 64) body.erase(0, body.size() - 64);
  }
}

Answer get(const Target& target, Clock::time_point deadline) {
  Connection connection(target.address, target.port, deadline);
  if (connection.error() != 0) return {.error = connection.error()};
  const auto request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: diego-healthcheck\r\nX-Forwarded-Proto: https\r\n"
      "Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
      target.path, target.address, target.port);
  if (!connection.write(request)) return {.error = connection.error()};

  std::string received;
  for (;;) {
    const auto end = received.find("\r\n\r\n");
    if (end != std::string::npos) {
      const auto head = received.substr(0, end + 2);
      const int status = status_of(head);
      if (status == 0) return {.error = EPROTO};
      if (status < 200) {  // an interim answer: the real one follows
        received.erase(0, end + 4);
        continue;
      }
      const bool bodyless = status == 204 || status == 304;
      const int error = bodyless ? 0 : drain(connection, head, received.substr(end + 4));
      return {.error = error, .status = status, .location = field(head, "location")};
    }
    const auto piece = connection.read();
    if (piece.empty() || received.size() > kHeadLimit) {
      return {.error = connection.error() != 0 ? connection.error() : EPROTO};
    }
    received += piece;
  }
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// False for a place that cannot be reached from here: another scheme, or a name.
bool follow(Target& target, const std::string& location) {
  if (location.starts_with("/")) {
    target.path = location;
    return true;
  }
  constexpr std::string_view kScheme = "http://";
  if (!location.starts_with(kScheme)) {
    if (location.find("://") != std::string::npos) return false;
    target.path = target.path.substr(0, target.path.rfind('/') + 1) + location;
    return true;
  }
  const auto rest = location.substr(kScheme.size());
  const auto slash = rest.find('/');
  const auto authority = rest.substr(0, slash);
  const auto colon = authority.find(':');
  const auto port = colon == std::string::npos ? std::optional<int>(80) : port_number(authority.substr(colon + 1));
  if (!port) return false;
  target.address = authority.substr(0, colon);
  if (target.address == "localhost") target.address = "127.0.0.1";
  target.port = *port;
  target.path = slash == std::string::npos ? "/" : rest.substr(slash);
  return true;
}

bool is_valid_uri(const std::string& uri) {
  return std::none_of(uri.begin(), uri.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

}  // namespace

Result check_http(const Options& options, const std::string& address) {
  const auto what = fmt::format("'{}' on port {}", options.uri, options.port);
  if (!is_valid_uri(options.uri)) return {kBadHttpAnswer, "failed to create an HTTP request to " + what};
  const auto port = port_number(options.port);
  if (!port) return {kHttpFailed, fmt::format("failed to make HTTP request to {}: connection refused", what)};

  const auto begun_at = Clock::now();
  Target target{address, *port, options.uri.starts_with('/') ? options.uri : "/" + options.uri};
  Answer answer;
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    answer = get(target, begun_at + options.timeout);
    if (answer.error != 0 || !is_redirect(answer.status) || answer.location.empty()) break;
    if (redirects == kMostRedirects || !follow(target, answer.location)) answer.error = EPROTO;
    if (answer.error != 0) break;
  }

  if (answer.error == ETIMEDOUT) {
    const auto seconds = std::chrono::duration<double>(options.timeout).count();
    return {kHttpTimeout,
            fmt::format("failed to make HTTP request to {}: timed out after {:.2f} seconds", what, seconds)};
  }
  if (answer.error != 0) {
    return {kHttpFailed, fmt::format("failed to make HTTP request to {}: connection refused", what)};
  }
  if (answer.status == 200) return {};
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_at).count();
  return {kBadHttpAnswer,
          fmt::format("failed to make HTTP request to {}: received status code {} in {}ms", what, answer.status, took)};
}

}  // namespace healthcheck
