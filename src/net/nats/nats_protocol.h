// The NATS text protocol as bytes: what a server sends, cut into frames, and what a client sends. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::net {

// The server sent something that does not follow the protocol, or exceeds a limit.
class NatsProtocolError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One operation of the server. The views point into the parser's buffer.
struct NatsFrame {
  enum class Kind { kInfo, kMessage, kOk, kError, kPing, kPong };
  Kind kind = Kind::kOk;
  std::string_view text;  // of INFO: its JSON; of -ERR: the message without quotes
  std::uint64_t sid = 0;  // of MSG
  std::string_view subject;
  std::string_view reply;
  std::string_view payload;
};

// Takes bytes as they come and gives whole frames, in place:
//
//   auto room = parser.space();  n = read(room);  parser.commit(n);
//   while (auto frame = parser.next()) ...      // views are valid until the next space()
class NatsParser {
 public:
  // `payload_limit`: bytes of the largest message taken.
  explicit NatsParser(std::size_t payload_limit = 8u << 20);

  std::span<char> space();
  void commit(std::size_t bytes) { end_ += bytes; }
  void feed(std::string_view bytes);

  // nullopt: more bytes are needed. Throws NatsProtocolError; the parser cannot be used afterwards.
  std::optional<NatsFrame> next();

 private:
  std::optional<NatsFrame> message(std::string_view arguments, std::size_t payload_at);

  std::size_t payload_limit_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// What a client sends. Subjects must have passed is_valid_nats_subject().
void append_nats_publish(std::string& out, std::string_view subject, std::string_view reply, std::string_view payload);
void append_nats_subscribe(std::string& out, std::string_view subject, std::uint64_t sid);
// `max_messages` 0: at once.
void append_nats_unsubscribe(std::string& out, std::uint64_t sid, std::uint64_t max_messages);

// Neither empty nor with blanks or control characters: such a subject would change the meaning of the line it stands
// in.
bool is_valid_nats_subject(std::string_view subject);

}  // namespace rivera::net
