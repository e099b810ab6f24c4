// The destination of the output of a container's processes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace rivera::executor {

// Accepts output in pieces of any size. Never blocks.
class ProcessOutput {
 public:
  virtual ~ProcessOutput() = default;
  virtual void out(std::string_view bytes) = 0;
  virtual void err(std::string_view bytes) = 0;
  // Emits an unfinished line as a line.
  virtual void flush() {}
};

using ProcessOutputPtr = std::shared_ptr<ProcessOutput>;

class DiscardedOutput final : public ProcessOutput {
 public:
  void out(std::string_view) override {}
  void err(std::string_view) override {}
};

// Keeps both streams in the order of arrival, up to a bound: the output of a health check.
class CapturedOutput final : public ProcessOutput {
 public:
  explicit CapturedOutput(std::size_t limit = 64u << 10) : limit_(limit) {}
  void out(std::string_view bytes) override { keep(bytes); }
  void err(std::string_view bytes) override { keep(bytes); }
  const std::string& text() const { return text_; }
  // The output without leading and trailing white space.
  std::string trimmed() const {
    const auto first = text_.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return {};
    return text_.substr(first, text_.find_last_not_of(" \t\r\n") - first + 1);
  }

 private:
  void keep(std::string_view bytes) { text_.append(bytes.substr(0, limit_ - std::min(limit_, text_.size()))); }

  std::size_t limit_;
  std::string text_;
};

}  // namespace rivera::executor
