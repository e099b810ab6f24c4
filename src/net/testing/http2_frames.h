// HTTP/2 by hand: for clients that break its rules.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::net::http2 {

enum FrameType : std::uint8_t { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoAway = 7 };
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kEndHeaders = 4;

// What a connection begins with; `window` is how much the server may send on a stream.
std::string preface(std::uint32_t window = 65535);
std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload = {});
// The head of a call: a POST of gRPC's content type, with these fields besides.
std::string call_head(std::uint32_t stream, std::string_view path,
                      const std::vector<std::pair<std::string, std::string>>& fields = {}, std::uint8_t flags = 0);
// A message of gRPC, the last of its stream.
std::string message(std::uint32_t stream, std::string_view bytes, bool is_compressed = false);
std::string reset(std::uint32_t stream);

struct Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload = {};
  std::map<std::string, std::string> fields = {};  // of kHeaders
};

// Takes frames apart that come in pieces.
class FrameReader {
 public:
  FrameReader();
  ~FrameReader();
  std::vector<Frame> take(std::string_view bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::net::http2
