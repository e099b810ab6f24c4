// The protocol between garden and a container's shim, over the shim's Unix stream socket.
//
// A connection carries frames: a 4 byte length (host order: both ends are on one machine), a type, the payload. The
// first frame says what the connection is for; kLaunch and kAttach turn it into a session with one process.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::garden::shim {

// Raised whenever a frame's meaning changes: after an upgrade garden meets shims of the earlier release.
inline constexpr std::uint32_t kProtocolVersion = 1;

inline constexpr std::size_t kFrameLimit = 1u << 20;
inline constexpr const char* kSocketName = "shim.sock";

enum class FrameType : std::uint8_t {
  // First frames.
  kLaunch = 1,   // LaunchRequest; answered by kStarted or kFailed, then a session
  kAttach = 2,   // process id; answered by kStarted or kUnknown, then a session
  kStatus = 3,   // answered by kStatus: StatusReply
  kKillAll = 4,  // kills the container's first process and every other; answered by kExit when all are reaped
  kQuit = 5,     // ends the shim; only when no process is left. Answered by kExit, or kFailed
  kFollow = 6,   // answered by kEnded for each process that has ended and is remembered, then for each as it ends

  // In a session, to the shim.
  kInput = 10,     // bytes for standard input
  kInputEnd = 11,  // closes standard input
  kWindow = 12,    // columns, rows
  kSignal = 13,    // signal number

  // In a session, from the shim.
  kStarted = 20,  // host pid
  kFailed = 21,   // the runtime's exit status
  kUnknown = 22,  // no such process
  kOutput = 23,   // bytes of standard output
  kError = 24,    // bytes of standard error
  kExit = 25,     // exit status; the last frame

  // After kFollow.
  kEnded = 26,  // process id, host pid (-1: it was never started), exit status
};

struct Frame {
  FrameType type{};
  std::string payload;
};

// Builds and reads payloads: 32 bit integers and length-prefixed strings.
class PayloadWriter {
 public:
  PayloadWriter& put(std::uint32_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  PayloadWriter& put(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Throws std::runtime_error at the end of the payload.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint32_t number() {
    std::uint32_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number())); }
  bool is_at_end() const { return bytes_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) throw std::runtime_error("short frame");
    const auto part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }
  std::string_view bytes_;
};

// Starts a process through the OCI runtime's own command, which detaches once it has started it.
struct LaunchRequest {
  std::string id;         // "" = the container's first process
  std::string pid_file;   // where the runtime writes the process's host pid
  std::string exit_file;  // where the shim writes the exit status, decimal
  std::string
      console_socket;  // not empty: a terminal, whose end comes over this socket; relative to the shim's directory
  std::uint32_t columns = 80, rows = 24;
  std::vector<std::string> command;
  // Runs the program from a sealed copy of itself in memory. Shims and gardens of earlier releases do not know this.
  bool is_sealed = false;

  std::string encode() const {
    PayloadWriter w;
    w.put(id).put(pid_file).put(exit_file).put(console_socket).put(columns).put(rows);
    w.put(static_cast<std::uint32_t>(command.size()));
    for (const auto& word : command) w.put(word);
    w.put(is_sealed ? 1u : 0u);
    return w.take();
  }
  static LaunchRequest decode(std::string_view bytes) {
    PayloadReader r(bytes);
    LaunchRequest request;
    request.id = r.text(), request.pid_file = r.text(), request.exit_file = r.text(), request.console_socket = r.text();
    request.columns = r.number(), request.rows = r.number();
    for (std::uint32_t left = r.number(); left > 0; --left) request.command.push_back(r.text());
    if (request.command.empty()) throw std::runtime_error("launch without a command");
    request.is_sealed = !r.is_at_end() && r.number() != 0;
    return request;
  }
};

struct StatusReply {
  struct Process {
    std::string id;
    std::uint32_t pid = 0;  // 0: the runtime is still starting it
    bool has_exited = false;
    std::uint32_t exit_status = 0;
  };
  std::uint32_t version = kProtocolVersion;
  std::vector<Process> processes;

  std::string encode() const {
    PayloadWriter w;
    w.put(version).put(static_cast<std::uint32_t>(processes.size()));
    for (const auto& p : processes) w.put(p.id).put(p.pid).put(p.has_exited ? 1u : 0u).put(p.exit_status);
    return w.take();
  }
  static StatusReply decode(std::string_view bytes) {
    PayloadReader r(bytes);
    StatusReply reply;
    reply.version = r.number();
    for (std::uint32_t left = r.number(); left > 0; --left) {
      Process p;
      p.id = r.text(), p.pid = r.number(), p.has_exited = r.number() != 0, p.exit_status = r.number();
      reply.processes.push_back(std::move(p));
    }
    return reply;
  }
};

inline std::string encode_number(std::uint32_t value) { return PayloadWriter().put(value).take(); }

// Throws std::length_error if the other end would refuse the frame.
inline std::string encode_frame(FrameType type, std::string_view payload = {}) {
  if (payload.size() > kFrameLimit) throw std::length_error("frame too long");
  const auto length = static_cast<std::uint32_t>(payload.size());
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes.push_back(static_cast<char>(type));
  bytes.append(payload);
  return bytes;
}

// Cuts frames out of a byte stream.
class FrameParser {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // Throws std::runtime_error if a frame is longer than kFrameLimit.
  std::optional<Frame> next() {
    constexpr std::size_t kHead = sizeof(std::uint32_t) + 1;
    if (buffer_.size() - used_ < kHead) return compact();
    std::uint32_t length = 0;
    std::memcpy(&length, buffer_.data() + used_, sizeof length);
    if (length > kFrameLimit) throw std::runtime_error("frame too long");
    if (buffer_.size() - used_ < kHead + length) return compact();
    Frame frame{static_cast<FrameType>(buffer_[used_ + kHead - 1]), buffer_.substr(used_ + kHead, length)};
    used_ += kHead + length;
    return frame;
  }

 private:
  std::nullopt_t compact() {
    buffer_.erase(0, used_);
    used_ = 0;
    return std::nullopt;
  }
  std::string buffer_;
  std::size_t used_ = 0;
};

}  // namespace rivera::garden::shim
