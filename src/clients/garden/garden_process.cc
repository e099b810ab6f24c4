#include "clients/garden/garden_process.h"

#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::clients {

namespace json = boost::json;

namespace {

constexpr std::size_t kPayloadLimit = 1u << 20;

}  // namespace

// Shared with the background coroutines, which may end a little after the object.
struct AttachedProcess::State {
  State(asio::any_io_executor executor, std::unique_ptr<net::Stream> stream)
      : main(std::move(stream)), changed(executor), write_lock(executor) {}

  std::unique_ptr<net::Stream> main;
  std::string unread;
  std::string id;
  std::vector<std::shared_ptr<net::Stream>> outputs;
  int open_outputs = 0;
  bool has_ended = false;
  int exit_status = 0;
  std::exception_ptr failure;
  base::Condition changed;
  bool is_writing = false;
  base::Condition write_lock;

  // The next payload of the main connection. They are a line each.
  asio::awaitable<json::object> read_payload() {
    for (;;) {
      const auto end = unread.find('\n');
      if (end != std::string::npos) {
        error_code ec;
        const json::value value = json::parse(unread.substr(0, end), ec);
        unread.erase(0, end + 1);
        if (ec || !value.is_object()) throw garden::GardenError("connection: decode failed: malformed payload");
        co_return value.get_object();
      }
      if (unread.size() > kPayloadLimit) throw garden::GardenError("connection: decode failed: payload too long");
      char buffer[4096];
      const std::size_t n = co_await main->read_some(buffer);
      if (n == 0) throw net::TransportError("connection: decode failed: EOF", true);
      unread.append(buffer, n);
    }
  }

  // One payload at a time, whole.
  asio::awaitable<void> write_payload(std::shared_ptr<State> /*keeps us alive*/, json::object payload) {
    payload["process_id"] = id;
    const std::string line = json::serialize(payload) + "\n";
    while (is_writing) co_await write_lock.wait();
    is_writing = true;
    std::exception_ptr broken;
    try {
      co_await main->write(line);
    } catch (const boost::system::system_error& e) {
      broken = std::make_exception_ptr(net::TransportError(std::string("writing to process: ") + e.what(), true));
    }
    is_writing = false;
    write_lock.notify_all();
    if (broken) std::rethrow_exception(broken);
  }
};

AttachedProcess::AttachedProcess(asio::any_io_executor executor, std::unique_ptr<net::Stream> main)
    : state_(std::make_shared<State>(executor, std::move(main))), background_(executor, base::Logger::discard()) {}

AttachedProcess::~AttachedProcess() {
  background_.cancel();
  state_->main->close();
  for (auto& output : state_->outputs) output->close();
}

asio::awaitable<std::string> AttachedProcess::read_ids(std::chrono::nanoseconds limit) {
  using Instant = std::chrono::steady_clock::time_point;
  state_->main->set_deadline(std::chrono::steady_clock::now() + limit);
  json::object payload;
  try {
    payload = co_await state_->read_payload();
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    throw net::TransportError(std::string("connection: decode failed: ") + e.what(), true);
  }
  state_->main->set_deadline(Instant::max());
  const json::value value = std::move(payload);
  const auto* process = garden::find_member(value, "process_id");
  const auto* stream = garden::find_member(value, "stream_id");
  if (process == nullptr || !process->is_string()) throw garden::GardenError("garden gave no process id");
  state_->id = std::string(process->get_string());
  co_return stream != nullptr && stream->is_string() ? std::string(stream->get_string()) : std::string();
}

void AttachedProcess::pump(std::unique_ptr<net::Stream> stream, OutputSink sink) {
  std::shared_ptr<net::Stream> shared = std::move(stream);
  state_->outputs.push_back(shared);
  ++state_->open_outputs;
  background_.spawn("output", copy(state_, std::move(shared), std::move(sink)));
}

void AttachedProcess::watch() { background_.spawn("exit", read_exit(state_)); }

asio::awaitable<void> AttachedProcess::copy(std::shared_ptr<State> state, std::shared_ptr<net::Stream> stream,
                                            OutputSink sink) {
  std::string buffer(32 * base::kKibibyte, '\0');
  try {
    for (;;) {
      const std::size_t n = co_await stream->read_some(buffer);
      if (n == 0) break;
      co_await sink(std::string_view(buffer.data(), n));
    }
  } catch (const boost::system::system_error&) {
    // The connection broke: the main one has the reason.
  } catch (...) {
    state->failure = std::current_exception();  // the sink's: wait() throws it
    state->has_ended = true;
  }
  --state->open_outputs;
  state->changed.notify_all();
}

asio::awaitable<void> AttachedProcess::read_exit(std::shared_ptr<State> state) {
  try {
    const json::value payload = co_await state->read_payload();
    if (const auto* error = garden::find_member(payload, "error"); error != nullptr && error->is_string()) {
      throw garden::GardenError("connection: process error: " + std::string(error->get_string()));
    }
    const auto* status = garden::find_member(payload, "exit_status");
    if (status == nullptr || !status->is_int64()) throw garden::GardenError("garden gave no exit status");
    state->exit_status = static_cast<int>(status->get_int64());
  } catch (const boost::system::system_error& e) {
    state->failure =
        std::make_exception_ptr(net::TransportError(std::string("connection to process lost: ") + e.what(), true));
  } catch (...) {
    state->failure = std::current_exception();
  }
  state->has_ended = true;
  state->changed.notify_all();
}

const std::string& AttachedProcess::id() const { return state_->id; }

asio::awaitable<int> AttachedProcess::wait() {
  const auto state = state_;
  while (!state->has_ended) co_await state->changed.wait();
  if (state->failure) std::rethrow_exception(state->failure);
  while (state->open_outputs > 0) co_await state->changed.wait();
  co_return state->exit_status;
}

asio::awaitable<void> AttachedProcess::signal(garden::Signal signal) {
  json::object payload{{"signal", static_cast<int>(signal)}};
  co_await state_->write_payload(state_, std::move(payload));
}

asio::awaitable<void> AttachedProcess::write_input(std::string text) {
  json::object payload{{"source", 0}, {"data", text}};
  co_await state_->write_payload(state_, std::move(payload));
}

asio::awaitable<void> AttachedProcess::close_input() {
  json::object payload{{"source", 0}};
  co_await state_->write_payload(state_, std::move(payload));
}

asio::awaitable<void> AttachedProcess::set_window_size(garden::WindowSize size) {
  json::object payload{{"tty", garden::to_json(garden::TtySpec{size})}};
  co_await state_->write_payload(state_, std::move(payload));
}

}  // namespace rivera::clients
