#include "gorouter/replies/access_log.h"

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "net/crypto/digest.h"

namespace rivera::gorouter {
namespace {

constexpr std::size_t kQueueLimit = 4u << 20;  // bytes

// As Go's %q: in quotes, control characters escaped; "-" for an empty text.
void append_quoted(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "\"-\"";
    return;
  }
  out += '"';
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < ' ' || u == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", u);
    } else {
      out += c;
    }
  }
  out += '"';
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
  const std::string path = record.target.substr(0, mark);
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
  out.append(r.host).append(" - [");
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
  for (;;) {
    while (queued_.empty()) co_await changed_.wait();
    co_await flush();
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
