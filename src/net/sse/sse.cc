#include "net/sse/sse.h"

#include <stdexcept>

namespace rivera::net {
namespace {

// The field's value if `line` is "name: value" (one space after the colon is dropped).
bool take_field(std::string_view line, std::string_view name, std::string& into) {
  if (!line.starts_with(name)) return false;
  line.remove_prefix(name.size());
  if (!line.starts_with(':')) return false;
  line.remove_prefix(1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (name == "data" && !into.empty()) into += '\n';
  if (name == "data") {
    into += line;
  } else {
    into = line;
  }
  return true;
}

}  // namespace

std::string format_event(const ServerSentEvent& event) {
  std::string out;
  out.reserve(event.id.size() + event.name.size() + event.data.size() + 32);
  if (!event.id.empty()) out.append("id: ").append(event.id).append("\n");
  if (!event.name.empty()) out.append("event: ").append(event.name).append("\n");
  if (!event.data.empty()) out.append("data: ").append(event.data).append("\n");
  out += '\n';
  return out;
}

void SseParser::feed(std::string_view bytes) {
  if (at_ > 0 && at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  }
  if (buffer_.size() - at_ + current_.data.size() + bytes.size() > kLimit) {
    throw std::length_error("a server-sent event is larger than 128 MiB");
  }
  buffer_ += bytes;
}

std::optional<ServerSentEvent> SseParser::next() {
  for (;;) {
    const auto newline = buffer_.find('\n', at_);
    if (newline == std::string::npos) {
      buffer_.erase(0, at_);
      at_ = 0;
      return std::nullopt;
    }
    std::string_view line(buffer_.data() + at_, newline - at_);
    at_ = newline + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      if (current_.name.empty() && current_.data.empty()) continue;
      return std::exchange(current_, {});
    }
    if (take_field(line, "id", current_.id)) continue;
    if (take_field(line, "event", current_.name)) continue;
    take_field(line, "data", current_.data);
  }
}

asio::awaitable<std::optional<ServerSentEvent>> SseReader::next() {
  for (;;) {
    auto event = parser_.next();
    if (event) co_return event;
    const std::size_t n = co_await response_->read_some(buffer_);
    if (n == 0) co_return std::nullopt;
    parser_.feed(std::string_view(buffer_.data(), n));
  }
}

}  // namespace rivera::net
