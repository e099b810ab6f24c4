#include "net/testing/http2_frames.h"

#include <stdexcept>

#include <nghttp2/nghttp2.h>

namespace rivera::net::http2 {
namespace {

constexpr std::size_t kFrameHead = 9;

void append_number(std::string& out, std::uint32_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

std::uint32_t number_at(std::string_view text, std::size_t at, std::size_t bytes) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | static_cast<unsigned char>(text[at + i]);
  return out;
}

// A literal that is not kept in the table (RFC 7541 §6.2.2). Both parts are shorter than 127 bytes.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (name.size() > 126 || value.size() > 126) throw std::invalid_argument("too long for this helper");
  out += '\0';
  out += static_cast<char>(name.size());
  out += name;
  out += static_cast<char>(value.size());
  out += value;
}

}  // namespace

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string out;
  append_number(out, static_cast<std::uint32_t>(payload.size()), 3);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  append_number(out, stream, 4);
  out += payload;
  return out;
}

std::string preface(std::uint32_t window) {
  std::string settings;
  append_number(settings, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2);
  append_number(settings, window, 4);
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, settings);
}

std::string call_head(std::uint32_t stream, std::string_view path,
                      const std::vector<std::pair<std::string, std::string>>& fields, std::uint8_t flags) {
  std::string block;
  append_field(block, ":method", "POST");
  append_field(block, ":scheme", "https");
  append_field(block, ":path", path);
  append_field(block, ":authority", "localhost");
  append_field(block, "content-type", "application/grpc");
  for (const auto& [name, value] : fields) append_field(block, name, value);
  return frame(kHeaders, static_cast<std::uint8_t>(kEndHeaders | flags), stream, block);
}

std::string message(std::uint32_t stream, std::string_view bytes, bool is_compressed) {
  std::string payload(1, is_compressed ? '\1' : '\0');
  append_number(payload, static_cast<std::uint32_t>(bytes.size()), 4);
  payload += bytes;
  std::string out;
  constexpr std::size_t kMost = 16384;
  for (std::size_t at = 0; at < payload.size(); at += kMost) {
    const bool is_last = at + kMost >= payload.size();
    out += frame(kData, is_last ? kEndStream : 0, stream, std::string_view(payload).substr(at, kMost));
  }
  return out;
}

std::string reset(std::uint32_t stream) {
  std::string cancel;
  append_number(cancel, NGHTTP2_CANCEL, 4);
  return frame(kReset, 0, stream, cancel);
}

struct FrameReader::State {
  std::string unread;
  nghttp2_hd_inflater* inflater = nullptr;

  std::map<std::string, std::string> fields_of(const std::string& block) const {
    std::map<std::string, std::string> out;
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    std::size_t left = block.size();
    for (;;) {
      nghttp2_nv field{};
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, at, left, 1);
      if (used < 0) throw std::runtime_error("a header block that cannot be read");
      at += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        out[std::string(reinterpret_cast<const char*>(field.name), field.namelen)] =
            std::string(reinterpret_cast<const char*>(field.value), field.valuelen);
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return out;
  }
};

FrameReader::FrameReader() : state_(std::make_unique<State>()) {
  if (nghttp2_hd_inflate_new(&state_->inflater) != 0) throw std::bad_alloc();
}
FrameReader::~FrameReader() { nghttp2_hd_inflate_del(state_->inflater); }

std::vector<Frame> FrameReader::take(std::string_view bytes) {
  std::string& unread = state_->unread;
  unread += bytes;
  std::vector<Frame> out;
  while (unread.size() >= kFrameHead) {
    const std::size_t size = number_at(unread, 0, 3);
    if (unread.size() < kFrameHead + size) break;
    Frame one{.type = static_cast<std::uint8_t>(unread[3]),
              .flags = static_cast<std::uint8_t>(unread[4]),
              .stream = number_at(unread, 5, 4),
              .payload = unread.substr(kFrameHead, size),
              .fields = {}};
    if (one.type == kHeaders) one.fields = state_->fields_of(one.payload);
    out.push_back(std::move(one));
    unread.erase(0, kFrameHead + size);
  }
  return out;
}

}  // namespace rivera::net::http2
