#include "gorouter/replies/access_log.h"

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "net/crypto/digest.h"

namespace rivera::gorouter {
namespace {

constexpr std::size_t kQueueLimit = 4u << 20;  // bytes

// The letter after the backslash in Go's short escapes; 0 for characters without one.
char short_escape(char c) {
  constexpr std::string_view kEscaped = "\"\\\a\b\f\n\r\t\v";
  constexpr std::string_view kLetters = "\"\\abfnrtv";
  const auto at = kEscaped.find(c);
  return at == std::string_view::npos ? '\0' : kLetters[at];
}

// How many bytes the UTF-8 character has that `text` begins with; 0 if it begins with none. For bytes from 0x80.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Forms that are too long, surrogates, and what is above U+10FFFF.
  const bool is_wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                        (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return is_wrong ? 0 : length;
}

// As within Go's %q: no control character, quote or byte that is no UTF-8 stays. C1 controls and Unicode's line ends
// are escaped, too: some readers of logs act on them.
void append_escaped(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x80) {
      if (const char letter = short_escape(c); letter != '\0') {
        out.append("\\").append(1, letter);
      } else if (u < ' ' || u == 0x7f) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", u);
      } else {
        out += c;
      }
      ++i;
      continue;
    }
    const std::size_t length = utf8_length(text.substr(i));
    const std::string_view whole = text.substr(i, length);
    if (length == 0) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", u);
      ++i;
      continue;
    }
    if (u == 0xc2 && static_cast<unsigned char>(whole[1]) < 0xa0) {
      fmt::format_to(std::back_inserter(out), "\\u00{:02x}", static_cast<unsigned char>(whole[1]));
    } else if (whole == "\u2028" || whole == "\u2029") {
      out += whole == "\u2028" ? "\\u2028" : "\\u2029";
    } else {
      out += whole;
    }
    i += length;
  }
}

// In quotes; "-" for an empty text.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text.empty() ? std::string_view("-") : text);
  out += '"';
}

// Without quotes, so that blanks are escaped, too.
void append_host(std::string& out, std::string_view host) {
  std::string escaped;
  append_escaped(escaped, host);
  for (const char c : escaped) {
    if (c == ' ') {
      out += "\\x20";
    } else {
      out += c;
    }
  }
}

// Local time with nine digits and a literal Z, as upstream writes it.
void append_time(std::string& out, std::chrono::system_clock::time_point when) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
  const std::time_t seconds = ns / 1'000'000'000;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ns % 1'000'000'000);
}

std::string redacted(const AccessRecord& record, QueryRedaction how) {
  const auto mark = record.target.find('?');
  if (how == QueryRedaction::kNone || record.method != "GET" || mark == std::string::npos) return record.target;
  std::string path = record.target.substr(0, mark);
  if (how == QueryRedaction::kAll) return path;
  return path +
         "?hash=" + net::hex_digest(net::DigestAlgorithm::kSha1, std::string_view(record.target).substr(mark + 1));
}

void append_seconds(std::string& out, std::chrono::nanoseconds d) {
  if (d.count() < 0) {
    out += "\"-\"";
  } else {
    fmt::format_to(std::back_inserter(out), "{:.6f}", std::chrono::duration<double>(d).count());
  }
}

}  // namespace

std::string format_access_record(const AccessRecord& r, const Config& config) {
  std::string out;
  out.reserve(512);
  append_host(out, r.host);
  out += " - [";
  append_time(out, r.received);
  out += "] ";
  append_quoted(out, fmt::format("{} {} {}", r.method, redacted(r, config.redact_query), r.protocol));
  if (r.status == 0) {
    out += " \"-\"";
  } else {
    fmt::format_to(std::back_inserter(out), " {}", r.status);
  }
  fmt::format_to(std::back_inserter(out), " {} {} ", r.request_bytes, r.response_bytes);
  append_quoted(out, r.referer);
  out += ' ';
  append_quoted(out, r.user_agent);
  out += ' ';
  append_quoted(out, config.disable_log_source_ip ? "" : r.peer);
  out += ' ';
  append_quoted(out, r.endpoint ? std::string_view(r.endpoint->address) : std::string_view());
  out += " x_forwarded_for:";
  append_quoted(out, config.disable_log_forwarded_for ? "" : r.forwarded_for);
  out += " x_forwarded_proto:";
  append_quoted(out, r.forwarded_proto);
  out += " vcap_request_id:";
  append_quoted(out, r.request_id);
  out += " response_time:";
  append_seconds(out, r.response_time);
  out += " gorouter_time:";
  append_seconds(out, r.gorouter_time);
  out += " app_id:";
  append_quoted(out, r.endpoint ? std::string_view(r.endpoint->app) : std::string_view());
  out += " app_index:";
  append_quoted(out, r.endpoint ? std::string_view(r.endpoint->instance_index) : std::string_view());
  out += " instance_id:";
  append_quoted(out, r.endpoint ? std::string_view(r.endpoint->instance_id) : std::string_view());
  out += " x_cf_routererror:";
  append_quoted(out, r.router_error);
  for (const auto& [name, value] : r.extra_headers) {
    out.append(" ").append(name).append(":");
    append_quoted(out, value);
  }
  out += '\n';
  return out;
}

AccessLog::AccessLog(asio::any_io_executor executor, base::WorkerPool& workers, const Config& config,
                     base::Logger logger)
    : workers_(workers),
      config_(config),
      logger_(logger),
      to_stdout_(config.access_log_streaming),
      changed_(executor),
      tasks_(executor, logger) {
  if (!config.access_log_file.empty()) {
    const int fd = ::open(config.access_log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
      throw std::system_error(errno, std::generic_category(), "cannot open the access log " + config.access_log_file);
    }
    file_ = std::make_shared<base::UniqueFd>(fd);
  }
  if (is_wanted()) tasks_.spawn("access-log", run());
}

AccessLog::~AccessLog() = default;

void AccessLog::write(const AccessRecord& record) {
  if (!is_wanted()) return;
  if (queued_.size() > kQueueLimit) {
    if (dropped_++ % 10'000 == 0) logger_.error("access-log-lines-dropped", {{"dropped", dropped_}});
    return;
  }
  const bool was_empty = queued_.empty();
  queued_ += format_access_record(record, config_);
  if (was_empty) changed_.notify_all();
}

asio::awaitable<void> AccessLog::run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    while (queued_.empty()) co_await changed_.wait();
    try {
      co_await flush();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("access-log-lines-lost", {{"error", e.what()}});
    }
  }
}

asio::awaitable<void> AccessLog::flush() {
  std::string lines = std::exchange(queued_, {});
  auto write_all = [file = file_, to_stdout = to_stdout_, text = std::move(lines)] {
    const auto put = [&text](int fd) {
      for (std::size_t at = 0; at < text.size();) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // a full disk must not stop the router
        at += static_cast<std::size_t>(n);
      }
    };
    if (file) put(file->get());
    if (to_stdout) put(STDOUT_FILENO);
  };
  co_await workers_.run(std::move(write_all));
}

asio::awaitable<void> AccessLog::stop() {
  co_await tasks_.stop();
  if (!queued_.empty()) co_await flush();
}

}  // namespace rivera::gorouter
