#include "net/grpc/grpc_session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

namespace rivera::net {
namespace {

constexpr std::size_t kPrefix = 5;               // of a message: whether it is compressed, its length
constexpr std::size_t kHeaderBytes = 16u << 10;  // of a request, as HTTP/2 counts them
constexpr std::size_t kHeaderOverhead = 32;
constexpr std::size_t kUsualMessage = 4u << 10;  // not counted against the budget of requests
constexpr std::size_t kMostQueued = 1000;        // frames that wait to be sent, without responses

// Streams that a client may reset: so many at once, and so many each second.
constexpr std::uint64_t kResetsAtOnce = 1000;
constexpr std::uint64_t kResetsPerSecond = 33;

// As a status text is sent: printable ASCII, all else as %XX.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 0x20 && c <= 0x7e && c != '%') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// "20S", "100m": at most eight digits and a unit.
std::optional<std::chrono::nanoseconds> timeout_of(std::string_view text) {
  using namespace std::chrono;
  std::int64_t count = 0;
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  const char* const unit = text.data() + text.size() - 1;
  const auto [end, ec] = std::from_chars(text.data(), unit, count);
  if (ec != std::errc() || end != unit || count < 0) return std::nullopt;
  switch (*unit) {
    case 'H':
      return std::min(hours(count), hours(24 * 365));
    case 'M':
      return minutes(count);
    case 'S':
      return seconds(count);
    case 'm':
      return milliseconds(count);
    case 'u':
      return microseconds(count);
    case 'n':
      return nanoseconds(count);
    default:
      return std::nullopt;
  }
}

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 copies both, and changes neither.
  auto* const name_bytes = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(name.data()));
  auto* const value_bytes = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(value.data()));
  return {name_bytes, value_bytes, name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

std::uint32_t length_of(std::string_view prefix) {
  std::uint32_t length = 0;
  for (std::size_t i = 1; i < kPrefix; ++i) length = length << 8 | static_cast<unsigned char>(prefix[i]);
  return length;
}

std::string with_prefix(std::string_view message) {
  std::string out(kPrefix, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(message.size() >> (24 - 8 * i) & 0xff);
  return out.append(message);
}

GrpcReply failure(GrpcCode code, const char* text) { return {.code = static_cast<int>(code), .text = text}; }

}  // namespace

std::string_view GrpcServerCall::metadata_of(std::string_view name) const {
  for (const auto& [known, value] : metadata) {
    if (known == name) return value;
  }
  return {};
}

struct GrpcSession::Stream {
  std::int32_t id = 0;
  Instant began = std::chrono::steady_clock::now();
  std::shared_ptr<GrpcServerCall> call = std::make_shared<GrpcServerCall>();
  std::string method;
  std::string content_type;
  std::size_t header_bytes = 0;
  std::string input;
  HeadReservation reserved;
  bool is_complete = false;  // all of the request has come
  bool is_answered = false;
  std::string output;
  std::size_t sent = 0;
};

// What nghttp2 calls. Exceptions must not pass through it.
struct GrpcSession::Callbacks {
  static GrpcSession& of(void* session) { return *static_cast<GrpcSession*>(session); }

  template <typename Work>
  static int guarded(Work work) {
    try {
      return work();
    } catch (const std::exception&) {  // out of memory
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    return guarded([&] { return of(self).begin_stream(frame->hd.stream_id) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE; });
  }

  static int add_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                        const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
    Stream* stream = of(self).find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    return guarded([&] {
      const bool fits = of(self).add_header(*stream, text_of(name, name_size), text_of(value, value_size));
      return fits ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    });
  }

  static int add_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                      void* self) {
    Stream* stream = of(self).find(id);
    if (stream == nullptr) return 0;
    return guarded([&] {
      of(self).add_data(*stream, text_of(bytes, size));
      return 0;
    });
  }

  static int received(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type == NGHTTP2_SETTINGS) of(self).is_greeted_ = true;
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!may_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    Stream* stream = of(self).find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    return guarded([&] {
      of(self).complete(*stream);
      return 0;
    });
  }

  // A response may end before its request: the client is not to send the rest.
  static int sent(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    const Stream* stream = of(self).find(frame->hd.stream_id);
    if (stream != nullptr && !stream->is_complete) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* self) {
    of(self).end_stream(id);
    return 0;
  }

  static ssize_t read_output(nghttp2_session* session, std::int32_t id, std::uint8_t* into, std::size_t size,
                             std::uint32_t* flags, nghttp2_data_source*, void* self) {
    Stream* stream = of(self).find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t count = of(self).read_output(*stream, into, size);
    if (stream->sent < stream->output.size()) return static_cast<ssize_t>(count);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv trailer = header("grpc-status", "0");
    if (nghttp2_submit_trailer(session, id, &trailer, 1) != 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return static_cast<ssize_t>(count);
  }
};

GrpcSession::GrpcSession(GrpcShared& shared, Caller caller, Begin begin)
    : shared_(shared), caller_(std::move(caller)), begin_(std::move(begin)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) throw std::bad_alloc();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::add_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::add_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::received);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::closed);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetsAtOnce, kResetsPerSecond);
  nghttp2_option_set_no_closed_streams(option, 1);
  const int failed = nghttp2_session_server_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (failed != 0) throw std::bad_alloc();
  const std::array<nghttp2_settings_entry, 2> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(shared_.options.calls_of_connection)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(kHeaderBytes)},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
}

GrpcSession::~GrpcSession() {
  nghttp2_session_del(session_);
  while (!streams_.empty()) end_stream(streams_.begin()->first);
}

bool GrpcSession::receive(std::string_view bytes) {
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return nghttp2_session_mem_recv(session_, data, bytes.size()) >= 0;
}

std::string GrpcSession::take_output(std::size_t limit) {
  std::string out;
  while (out.size() < limit) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) throw std::runtime_error(nghttp2_strerror(static_cast<int>(size)));
    if (size == 0) break;
    out.append(text_of(bytes, static_cast<std::size_t>(size)));
  }
  return out;
}

void GrpcSession::answer(std::int32_t id, GrpcReply reply) {
  if (Stream* stream = find(id)) answer(*stream, std::move(reply));
}

bool GrpcSession::end_incomplete(Instant limit) {
  bool were_any = false;
  for (auto& [id, stream] : streams_) {
    if (stream->is_complete || stream->is_answered || stream->began > limit) continue;
    answer(*stream, failure(GrpcCode::kDeadlineExceeded, "the request did not come in time"));
    were_any = true;
  }
  return were_any;
}

void GrpcSession::ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

void GrpcSession::go_away() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

bool GrpcSession::is_over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

bool GrpcSession::is_clogged() const { return nghttp2_session_get_outbound_queue_size(session_) > kMostQueued; }

GrpcSession::Stream* GrpcSession::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

bool GrpcSession::begin_stream(std::int32_t id) {
  auto stream = std::make_unique<Stream>();
  stream->id = id;
  stream->call->caller = caller_;
  stream->reserved.use(shared_.requests);
  return streams_.emplace(id, std::move(stream)).second;
}

bool GrpcSession::add_header(Stream& stream, std::string_view name, std::string_view value) {
  stream.header_bytes += name.size() + value.size() + kHeaderOverhead;
  if (stream.header_bytes > kHeaderBytes) return false;
  if (name == ":path") {
    stream.call->path = value;
  } else if (name == ":method") {
    stream.method = value;
  } else if (name == "content-type") {
    stream.content_type = value;
  } else if (name == "grpc-timeout") {
    if (const auto timeout = timeout_of(value)) stream.call->deadline = stream.began + *timeout;
  } else if (!name.starts_with(':')) {
    stream.call->metadata.emplace_back(name, value);
  }
  return true;
}

void GrpcSession::add_data(Stream& stream, std::string_view bytes) {
  if (stream.is_answered) return;
  const std::size_t size = stream.input.size() + bytes.size();
  if (size > kPrefix + shared_.options.largest_message) {
    answer(stream, failure(GrpcCode::kResourceExhausted, "the message is too large"));
  } else if (size > kUsualMessage && !stream.reserved.grow_to(size)) {
    answer(stream, failure(GrpcCode::kResourceExhausted, "too many requests at once"));
  } else {
    stream.input.append(bytes);
  }
}

void GrpcSession::complete(Stream& stream) {
  stream.is_complete = true;
  if (stream.is_answered) return;
  if (stream.method != "POST") return refuse(stream, "405");
  if (!stream.content_type.starts_with("application/grpc")) return refuse(stream, "415");
  const std::string_view input = stream.input;
  if (input.size() < kPrefix) return answer(stream, failure(GrpcCode::kInternal, "the message is missing"));
  if (input[0] != 0) {
    return answer(stream, failure(GrpcCode::kUnimplemented, "compressed messages are not understood"));
  }
  if (input.size() - kPrefix != length_of(input)) {
    return answer(stream, failure(GrpcCode::kInternal, "one message of the announced length was expected"));
  }
  if (shared_.running >= shared_.options.most_calls) {
    return answer(stream, failure(GrpcCode::kResourceExhausted, "too many requests at once"));
  }
  stream.call->message = input.substr(kPrefix);
  std::string().swap(stream.input);
  stream.reserved.shrink_to(0);
  begin_(stream.id, stream.call);
}

void GrpcSession::answer(Stream& stream, GrpcReply reply) {
  if (stream.is_answered) return;
  stream.is_answered = true;
  const std::size_t size = kPrefix + reply.message.size();
  const bool has_room =
      size <= shared_.options.connection_responses - std::min(unsent_, shared_.options.connection_responses) &&
      size <= shared_.options.responses_limit - std::min(shared_.unsent, shared_.options.responses_limit);
  if (reply.code == 0 && !has_room) reply = failure(GrpcCode::kResourceExhausted, "too many responses at once");
  const std::string code = std::to_string(reply.code);
  const std::string text = percent_encoded(reply.text);
  const std::array<nghttp2_nv, 4> headers{header(":status", "200"), header("content-type", "application/grpc"),
                                          header("grpc-status", code), header("grpc-message", text)};
  if (reply.code != 0) {
    nghttp2_submit_response(session_, stream.id, headers.data(), text.empty() ? 3 : 4, nullptr);
    return;
  }
  stream.output = with_prefix(reply.message);
  unsent_ += stream.output.size();
  shared_.unsent += stream.output.size();
  const nghttp2_data_provider provider{.source = {.ptr = nullptr}, .read_callback = Callbacks::read_output};
  nghttp2_submit_response(session_, stream.id, headers.data(), 2, &provider);
}

void GrpcSession::refuse(Stream& stream, const char* http_status) {
  stream.is_answered = true;
  const nghttp2_nv status = header(":status", http_status);
  nghttp2_submit_response(session_, stream.id, &status, 1, nullptr);
}

void GrpcSession::end_stream(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = *found->second;
  const std::size_t left = stream.output.size() - stream.sent;
  unsent_ -= left;
  shared_.unsent -= left;
  if (!stream.is_answered) stream.call->was_abandoned = true;
  streams_.erase(found);
}

std::size_t GrpcSession::read_output(Stream& stream, std::uint8_t* into, std::size_t size) {
  const std::size_t count = std::min(size, stream.output.size() - stream.sent);
  std::memcpy(into, stream.output.data() + stream.sent, count);
  stream.sent += count;
  unsent_ -= count;
  shared_.unsent -= count;
  return count;
}

}  // namespace rivera::net
