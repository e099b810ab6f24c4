#include "cluster/settings/terminal.h"

#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

namespace rivera::cluster {
namespace {

constexpr std::size_t kColumn = 22;

bool is_terminal() {
  static const bool answer = ::isatty(STDOUT_FILENO) == 1;
  return answer;
}

}  // namespace

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Progress::begin(const std::string& step) {
  step_ = step;
  started_ = std::chrono::steady_clock::now();
  last_.clear();
  if (is_terminal()) print_line("...", false);
}

void Progress::say(const std::string& detail) {
  if (!is_terminal() || detail == last_) return;
  last_ = detail;
  print_line(detail, false);
}

void Progress::done(const std::string& result) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  print_line(took.count() < 0.05 ? result : fmt::format("{} ({:.1f} s)", result, took.count()), true);
}

void Progress::failed() {
  if (is_terminal() && !step_.empty()) print_line("failed", true);
}

void Progress::print_line(const std::string& rest, bool final) {
  std::string padded = step_ + " ";
  padded.resize(std::max(padded.size(), kColumn), '.');
  const char* erase = is_terminal() ? "\r\033[K" : "";
  print(fmt::format("{}  {} {}{}", erase, padded, rest, final ? "\n" : ""));
  if (final) step_.clear();
}

}  // namespace rivera::cluster
