#include "garden/process_streams.h"

#include <csignal>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include "base/units.h"
#include "base/work/cancellation.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace json = boost::json;

namespace {

constexpr auto kRetention = std::chrono::minutes(1);
// For a client to take more of what a process has written. Bytes that come meanwhile are dropped, so it may take long.
constexpr auto kUnreadLimit = std::chrono::minutes(30);
constexpr std::size_t kPayloadLimit = 4u << 20;
constexpr std::size_t kInputPiece = 64 * base::kKibibyte;

net::ResponseHead stream_head(int status, bool is_json) {
  net::ResponseHead head;
  head.status = status;
  if (is_json) head.headers.add("Content-Type", "application/json");
  // Upstream's server sends this on every connection it hands to a stream, and its client needs it; what follows is not
  // chunked.
  head.headers.add("Transfer-Encoding", "chunked");
  return head;
}

std::string line_of(const json::object& payload) { return json::serialize(payload) + "\n"; }

}  // namespace

// --- buffers ---

void OutputBuffer::push(std::string bytes) {
  if (size_ + bytes.size() > kCapacity) {
    dropped_ += bytes.size();
    return;
  }
  size_ += bytes.size();
  chunks_.push_back(std::move(bytes));
  changed_.notify_all();
}

void OutputBuffer::end() {
  has_ended_ = true;
  changed_.notify_all();
}

asio::awaitable<std::string> OutputBuffer::pop() {
  while (chunks_.empty() && !has_ended_) co_await changed_.wait();
  std::string bytes;
  // Small pieces are joined: a write costs more than a copy.
  while (!chunks_.empty() && bytes.size() < 64 * base::kKibibyte) {
    bytes += chunks_.front();
    chunks_.pop_front();
  }
  size_ -= bytes.size();
  co_return bytes;
}

// --- sessions ---

// One client's connection to one process.
struct ProcessStreams::Session {
  MainStream main;
  std::unique_ptr<ShimConnection> shim;
  std::shared_ptr<ProcessOutput> output;
  ContainerPtr container;
  std::string process_id;
  pid_t pid = 0;
  bool client_has_left = false;

  void close() {
    client_has_left = true;
    if (shim) shim->close();
    main->close();
  }

  // Does what one payload from the client asks for. False if it asks for nothing known.
  asio::awaitable<bool> apply(const json::value& payload) {
    if (const auto* tty = api::find_member(payload, "tty")) {
      const api::WindowSize size = api::tty_spec_from_json(*tty).window_size.value_or(api::WindowSize{});
      std::string frame = shim::PayloadWriter().put(std::uint32_t{size.columns}).put(std::uint32_t{size.rows}).take();
      co_await shim->send(shim::FrameType::kWindow, std::move(frame));
      co_return true;
    }
    if (api::find_member(payload, "source") != nullptr) {
      const auto* data = api::find_member(payload, "data");
      if (data == nullptr || !data->is_string()) {
        co_await shim->send(shim::FrameType::kInputEnd, "");
        co_return true;
      }
      const std::string bytes(data->get_string());
      for (std::size_t at = 0; at < bytes.size(); at += kInputPiece) {
        std::string piece = bytes.substr(at, kInputPiece);
        co_await shim->send(shim::FrameType::kInput, std::move(piece));
      }
      co_return true;
    }
    const auto* signal = api::find_member(payload, "signal");
    if (signal == nullptr || !signal->is_int64()) co_return false;
    const bool is_known = signal->get_int64() == 0 || signal->get_int64() == 1;
    if (!is_known) co_return false;
    std::string number = shim::encode_number(signal->get_int64() == 0 ? SIGTERM : SIGKILL);
    co_await shim->send(shim::FrameType::kSignal, std::move(number));
    co_return true;
  }
};

ProcessStreams::ProcessStreams(asio::any_io_executor executor, Gardener& gardener, base::Logger logger)
    : executor_(std::move(executor)), gardener_(gardener), logger_(std::move(logger)) {}

std::shared_ptr<ProcessOutput> ProcessStreams::begin(const std::string& id) {
  forget_old();
  return outputs_[id] = std::make_shared<ProcessOutput>(executor_);
}

void ProcessStreams::forget_old() {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(outputs_, [&](const auto& entry) {
    const auto ended = entry.second->ended_at;
    return ended.time_since_epoch().count() != 0 && now - ended > kRetention;
  });
}

asio::awaitable<void> ProcessStreams::serve(net::HttpExchange& exchange, ProcessSession process, int status) {
  const std::string stream_id = std::to_string(next_id_++);
  const auto session = std::make_shared<Session>();
  session->shim = std::move(process.shim);
  session->container = process.container;
  session->process_id = process.id;
  session->pid = process.pid;
  auto head = stream_head(status, true);
  auto stream = co_await exchange.take_over(std::move(head));
  session->main = std::move(stream);
  session->output = begin(stream_id);
  sessions_.insert(session.get());
  if (is_closed_) session->close();

  auto executor = co_await asio::this_coro::executor;
  base::TaskGroup input(executor, logger_);
  std::exception_ptr failure;
  try {
    const std::string ids = line_of({{"process_id", process.id}, {"stream_id", stream_id}});
    co_await session->main->write(ids);
    if (session->shim) {
      input.spawn("process-input", read_client(session));
      co_await forward_output(*session);
    } else {
      co_await gardener_.process_ended(session->container, process.id, 0, true);
      const std::string exit = line_of({{"process_id", process.id}, {"exit_status", process.exit_status}});
      co_await session->main->write(exit);
    }
  } catch (const boost::system::system_error&) {
    // The client's connection broke: the process keeps running.
  } catch (...) {
    failure = std::current_exception();
  }
  sessions_.erase(session.get());
  session->output->output.end();
  session->output->error.end();
  session->output->ended_at = std::chrono::steady_clock::now();
  session->close();
  co_await input.stop();
  if (failure) std::rethrow_exception(failure);
}

// From the shim to the buffers, until the exit, which is the last message to the client.
asio::awaitable<void> ProcessStreams::forward_output(Session& session) {
  std::string lost = "the container's shim has exited";
  try {
    for (;;) {
      auto frame = co_await session.shim->receive();
      if (!frame) break;
      if (frame->type == shim::FrameType::kOutput) session.output->output.push(std::move(frame->payload));
      if (frame->type == shim::FrameType::kError) session.output->error.push(std::move(frame->payload));
      if (frame->type != shim::FrameType::kExit) continue;
      const auto status = static_cast<int>(shim::PayloadReader(frame->payload).number());
      co_await gardener_.process_ended(session.container, session.process_id, session.pid, true);
      session.output->output.end();
      session.output->error.end();
      const std::string exit = line_of({{"process_id", session.process_id}, {"exit_status", status}});
      co_await session.main->write(exit);
      co_return;
    }
  } catch (const ShimGone& e) {
    lost = e.what();
  }
  if (session.client_has_left) co_return;
  const std::string error = line_of({{"process_id", session.process_id}, {"error", lost}});
  co_await session.main->write(error);
}

// From the client to the shim. The end of the client's stream ends the session.
asio::awaitable<void> ProcessStreams::read_client(std::shared_ptr<Session> session) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  json::stream_parser parser({}, options);
  std::size_t value_size = 0;
  std::string buffer(32 * base::kKibibyte, '\0');
  try {
    for (;;) {
      const std::size_t n = co_await session->main->read_some(buffer);
      if (n == 0) break;
      std::string_view bytes(buffer.data(), n);
      while (!bytes.empty()) {
        if (value_size == 0) {
          const auto start = bytes.find_first_not_of(" \t\r\n");
          if (start == std::string_view::npos) break;
          bytes.remove_prefix(start);
        }
        const std::size_t used = parser.write_some(bytes.data(), bytes.size());
        bytes.remove_prefix(used);
        value_size += used;
        if (value_size > kPayloadLimit) throw std::runtime_error("payload too long");
        if (!parser.done()) continue;
        const json::value payload = parser.release();
        parser.reset();
        value_size = 0;
        const bool is_known = co_await session->apply(payload);
        if (!is_known) co_await session->shim->send(shim::FrameType::kInputEnd, "");
      }
    }
  } catch (const std::exception&) {
    if (base::is_cancelled(cancellation)) throw;
    // Malformed, or the shim has exited: in both cases reading ends.
  }
  session->close();
}

asio::awaitable<void> ProcessStreams::serve_output(net::HttpExchange& exchange, const std::string& stream_id,
                                                   bool is_error) {
  forget_old();
  const auto found = outputs_.find(stream_id);
  const std::shared_ptr<ProcessOutput> output = found == outputs_.end() ? nullptr : found->second;
  auto head = stream_head(200, false);
  const auto stream = co_await exchange.take_over(std::move(head));
  if (!output) co_return;
  stream->set_timeout(kUnreadLimit);  // nothing is read from it
  OutputBuffer& buffer = is_error ? output->error : output->output;
  for (;;) {
    const std::string bytes = co_await buffer.pop();
    if (bytes.empty()) break;
    co_await stream->write(bytes);
  }
  co_await stream->shutdown_write();
}

void ProcessStreams::close_all() {
  is_closed_ = true;
  for (auto* session : sessions_) session->close();
}

}  // namespace rivera::garden
