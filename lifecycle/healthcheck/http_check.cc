#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "healthcheck/check.h"
#include "net/http1/http1.h"
#include "net/http1/http1_body.h"

namespace healthcheck {
namespace {

constexpr int kMostRedirects = 9;  // measured (docs/spec/access-and-tools.md §5.7)
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

using rivera::net::Http1Error;
using rivera::net::Http1Response;

// Reads the rest of a body, which is of no interest: so does its end, if it is cut short, malformed or too slow.
void drain(Connection& connection, const Http1Response& response, std::string bytes) {
  try {
    rivera::net::Http1BodyDecoder body(framing_of(response, false));
    while (!body.complete()) {
      std::string_view rest = bytes;
      while (!rest.empty() && !body.complete()) body.next(rest);
      if (body.complete()) return;
      bytes = connection.read();
      if (bytes.empty()) return;
    }
  } catch (const Http1Error&) {
  }
}

// Reads on until `received` begins with a whole head, and returns its length; 0 if there will be none.
std::size_t receive_head(Connection& connection, std::string& received) {
  std::size_t searched = 0;
  for (;;) {
    const auto length = rivera::net::http1_head_length(received, searched);
    if (length) return *length;
    searched = received.size();
    const auto piece = connection.read();
    if (piece.empty() || received.size() > kHeadLimit) return 0;
    received += piece;
  }
}

// Reads the first answer that is no interim one, and its body.
Answer receive_answer(Connection& connection) {
  std::string received;
  for (;;) {
    const std::size_t length = receive_head(connection, received);
    if (length == 0) return {.error = connection.error() != 0 ? connection.error() : EPROTO};
    const std::string head = received.substr(0, length);
    received.erase(0, length);
    Http1Response response;
    parse_http1_response(head, response);
    if (response.status < 200) continue;
    const std::string location(response.fields.get("Location"));
    drain(connection, response, std::move(received));
    return {.status = response.status, .location = location};
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
  try {
    return receive_answer(connection);
  } catch (const Http1Error&) {
    return {.error = EPROTO};
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
