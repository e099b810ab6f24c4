#include "net/nats/nats_protocol.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "base/units.h"

namespace rivera::net {
namespace {

constexpr std::size_t kFirstBuffer = 64 * base::kKibibyte;
constexpr std::size_t kLineLimit = 1u << 20;  // INFO of a large cluster lists many addresses

// The next word of `rest`, which loses it.
std::string_view take_word(std::string_view& rest) {
  const auto start = rest.find_first_not_of(" \t");
  if (start == std::string_view::npos) {
    rest = {};
    return {};
  }
  const auto end = rest.find_first_of(" \t", start);
  const std::string_view word = rest.substr(start, end == std::string_view::npos ? end : end - start);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  return word;
}

template <typename Number>
Number parse_number(std::string_view text, std::string_view what) {
  Number value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) {
    throw NatsProtocolError(fmt::format("NATS: \"{}\" is not a {}", text.substr(0, 40), what));
  }
  return value;
}

std::string_view trim(std::string_view text, std::string_view characters) {
  const auto start = text.find_first_not_of(characters);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(characters) - start + 1);
}

char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_word(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, to_upper, to_upper); }

}  // namespace

NatsParser::NatsParser(std::size_t payload_limit) : payload_limit_(payload_limit), buffer_(kFirstBuffer) {}

std::span<char> NatsParser::space() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kFirstBuffer / 2) buffer_.resize(buffer_.size() * 2);
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void NatsParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto room = space();
    const std::size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    commit(n);
    bytes.remove_prefix(n);
  }
}

std::optional<NatsFrame> NatsParser::next() {
  const std::string_view unread(buffer_.data() + begin_, end_ - begin_);
  const auto newline = unread.find('\n');
  if (newline == std::string_view::npos) {
    if (unread.size() > kLineLimit) throw NatsProtocolError("NATS: the server's line does not end");
    return std::nullopt;
  }
  std::string_view rest = trim(unread.substr(0, newline), " \t\r");
  const std::string_view operation = take_word(rest);
  if (same_word(operation, "MSG")) return message(rest, begin_ + newline + 1);

  NatsFrame frame;
  frame.text = trim(rest, " \t");
  if (same_word(operation, "PING")) {
    frame.kind = NatsFrame::Kind::kPing;
  } else if (same_word(operation, "PONG")) {
    frame.kind = NatsFrame::Kind::kPong;
  } else if (same_word(operation, "+OK")) {
    frame.kind = NatsFrame::Kind::kOk;
  } else if (same_word(operation, "INFO")) {
    frame.kind = NatsFrame::Kind::kInfo;
  } else if (same_word(operation, "-ERR")) {
    frame.kind = NatsFrame::Kind::kError;
    frame.text = trim(frame.text, "'");
  } else {
    throw NatsProtocolError(fmt::format("NATS: unknown operation \"{}\"", operation.substr(0, 40)));
  }
  begin_ += newline + 1;
  return frame;
}

// MSG <subject> <sid> [reply] <size>
std::optional<NatsFrame> NatsParser::message(std::string_view arguments, std::size_t payload_at) {
  NatsFrame frame;
  frame.kind = NatsFrame::Kind::kMessage;
  frame.subject = take_word(arguments);
  frame.sid = parse_number<std::uint64_t>(take_word(arguments), "subscription id");
  std::string_view size_text = take_word(arguments);
  if (const std::string_view last = take_word(arguments); !last.empty()) {
    frame.reply = size_text;
    size_text = last;
  }
  const auto size = parse_number<std::size_t>(size_text, "message size");
  if (size > payload_limit_) throw NatsProtocolError(fmt::format("NATS: a message of {} bytes is too large", size));
  if (end_ < payload_at + size + 2) return std::nullopt;
  frame.payload = std::string_view(buffer_.data() + payload_at, size);
  if (std::string_view(buffer_.data() + payload_at + size, 2) != "\r\n") {
    throw NatsProtocolError("NATS: a message does not end where it should");
  }
  begin_ = payload_at + size + 2;
  return frame;
}

void append_nats_publish(std::string& out, std::string_view subject, std::string_view reply, std::string_view payload) {
  out += "PUB ";
  out += subject;
  if (!reply.empty()) {
    out += ' ';
    out += reply;
  }
  fmt::format_to(std::back_inserter(out), " {}\r\n", payload.size());
  out += payload;
  out += "\r\n";
}

void append_nats_subscribe(std::string& out, std::string_view subject, std::uint64_t sid) {
  fmt::format_to(std::back_inserter(out), "SUB {}  {}\r\n", subject, sid);
}

void append_nats_unsubscribe(std::string& out, std::uint64_t sid, std::uint64_t max_messages) {
  fmt::format_to(std::back_inserter(out), "UNSUB {}", sid);
  if (max_messages > 0) fmt::format_to(std::back_inserter(out), " {}", max_messages);
  out += "\r\n";
}

bool is_valid_nats_subject(std::string_view subject) {
  if (subject.empty()) return false;
  for (const char c : subject) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return false;
  }
  return true;
}

}  // namespace rivera::net
