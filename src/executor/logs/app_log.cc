#include "executor/logs/app_log.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace rivera::executor {
namespace {

// A token bucket that is refilled at `rate` tokens a second, and holds those of one second.
class TokenBucket {
 public:
  TokenBucket(double rate, base::Timestamp now) : rate_(rate), tokens_(rate), filled_at_(now) {}

  bool take(double amount, base::Timestamp now) {
    const auto seconds = std::chrono::duration<double>(now - filled_at_).count();
    if (seconds > 0) {
      tokens_ = std::min(rate_, tokens_ + seconds * rate_);
      filled_at_ = now;
    }
    if (amount > tokens_) return false;
    tokens_ -= amount;
    return true;
  }

 private:
  double rate_;
  double tokens_;
  base::Timestamp filled_at_;
};

// At most `limit` bytes, cut at the boundary of a UTF-8 character.
std::size_t cut_position(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text.size();
  std::size_t at = limit;
  for (int back = 0; back < 3 && at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; ++back) --at;
  return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80 ? limit : at;
}

}  // namespace

// Shared with the outputs, which may outlive the AppLog.
class AppLog::Shared {
 public:
  Shared(LogConfig config, AppLogLimits limits, AppLogSink& sink, const base::Clock& clock,
         std::function<void()> on_limit)
      : config_(std::move(config)),
        limits_(limits),
        sink_(sink),
        clock_(clock),
        on_limit_(std::move(on_limit)),
        bytes_(static_cast<double>(limits.bytes_per_second), clock.now()),
        lines_(static_cast<double>(limits.lines_per_second), clock.now()) {
    if (config_.source_name.empty()) config_.source_name = "LOG";
    config_.tags.emplace("source_id", config_.guid);
    config_.tags.emplace("instance_id", std::to_string(config_.index));
  }

  void limited_line(std::string_view source, std::string_view text, bool is_error) {
    if (limits_.bytes_per_second == 0) return;
    const auto now = clock_.now();
    if (now < silent_until_) return;
    if (limits_.bytes_per_second > 0 && !bytes_.take(static_cast<double>(text.size()), now)) {
      overage(source, now,
              fmt::format("app instance exceeded log rate limit ({} bytes/sec)", limits_.bytes_per_second));
    } else if (limits_.lines_per_second > 0 && !lines_.take(1, now)) {
      overage(source, now,
              fmt::format("app instance exceeded log rate limit ({} log-lines/sec) set by platform operator",
                          limits_.lines_per_second));
    } else {
      line(source, text, is_error);
    }
  }

  void line(std::string_view source, std::string_view text, bool is_error) {
    sink_.write({.config = config_, .source = source, .is_error = is_error, .text = text, .at = clock_.now()});
  }

  LogConfig& config() { return config_; }

 private:
  void overage(std::string_view source, base::Timestamp now, const std::string& message) {
    silent_until_ = now + std::chrono::seconds(1);
    if (on_limit_) on_limit_();
    line(source, message, false);
  }

  LogConfig config_;
  AppLogLimits limits_;
  AppLogSink& sink_;
  const base::Clock& clock_;
  std::function<void()> on_limit_;
  TokenBucket bytes_;
  TokenBucket lines_;
  base::Timestamp silent_until_{};
};

namespace {

class SourceOutput final : public ProcessOutput {
 public:
  SourceOutput(std::shared_ptr<AppLog::Shared> shared, std::string source)
      : shared_(std::move(shared)), source_(std::move(source)) {}

  void out(std::string_view bytes) override { take(out_, bytes, false); }
  void err(std::string_view bytes) override { take(err_, bytes, true); }
  void flush() override {
    end_line(out_, false);
    end_line(err_, true);
  }

 private:
  void take(std::string& partial, std::string_view bytes, bool is_error) {
    while (!bytes.empty()) {
      const auto end = bytes.find_first_of("\n\r");
      partial += bytes.substr(0, end);
      while (partial.size() > kLongestLogLine) {
        const auto cut = cut_position(partial, kLongestLogLine);
        shared_->limited_line(source_, std::string_view(partial).substr(0, cut), is_error);
        partial.erase(0, cut);
      }
      if (end == std::string_view::npos) return;
      end_line(partial, is_error);
      bytes.remove_prefix(end + 1);
    }
  }

  void end_line(std::string& partial, bool is_error) {
    if (!partial.empty()) shared_->limited_line(source_, partial, is_error);
    partial.clear();
  }

  std::shared_ptr<AppLog::Shared> shared_;
  std::string source_;
  std::string out_;
  std::string err_;
};

}  // namespace

AppLog::AppLog(LogConfig config, AppLogLimits limits, AppLogSink& sink, const base::Clock& clock,
               std::function<void()> on_limit)
    : shared_(std::make_shared<Shared>(std::move(config), limits, sink, clock, std::move(on_limit))) {}

AppLog::~AppLog() = default;

ProcessOutputPtr AppLog::output(const std::string& source) {
  return std::make_shared<SourceOutput>(shared_, source.empty() ? shared_->config().source_name : source);
}

const std::string& AppLog::source() const { return shared_->config().source_name; }

void AppLog::write_line(std::string_view text, bool is_error) {
  shared_->line(shared_->config().source_name, text, is_error);
}

void AppLog::write_line_as(const std::string& source, std::string_view text) {
  shared_->line(source.empty() ? shared_->config().source_name : source, text, false);
}

void AppLog::merge_tags(const std::map<std::string, std::string>& tags) {
  for (const auto& [name, value] : tags) shared_->config().tags[name] = value;
}

}  // namespace rivera::executor
