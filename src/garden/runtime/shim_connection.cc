#include "garden/runtime/shim_connection.h"

#include <fcntl.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/http/http_client.h"

namespace rivera::garden {

asio::awaitable<std::unique_ptr<ShimConnection>> ShimConnection::connect(std::string directory) {
  // The path of a socket is limited to 107 characters, that of a container's directory is not.
  const base::UniqueFd place(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place) throw ShimGone("no shim: " + directory + " does not exist");
  net::Endpoint endpoint;
  endpoint.is_unix = true;
  endpoint.host = "/proc/self/fd/" + std::to_string(place.get()) + "/" + shim::kSocketName;
  std::string failure;
  try {
    auto stream = co_await net::connect(std::move(endpoint), std::nullopt, std::chrono::seconds(5));
    co_return std::unique_ptr<ShimConnection>(new ShimConnection(std::move(stream)));
  } catch (const net::TransportError& e) {
    failure = e.what();
  }
  throw ShimGone("the container's shim does not answer: " + failure);
}

asio::awaitable<void> ShimConnection::send(shim::FrameType type, std::string payload) {
  const std::string bytes = shim::encode_frame(type, payload);
  try {
    co_await stream_->write(bytes);
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    throw ShimGone(std::string("the container's shim has exited: ") + e.what());
  }
}

asio::awaitable<std::optional<shim::Frame>> ShimConnection::receive() {
  char buffer[64 * 1024];
  for (;;) {
    auto frame = parser_.next();
    if (frame) co_return frame;
    std::size_t n = 0;
    try {
      n = co_await stream_->read_some(buffer);
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      throw ShimGone(std::string("the container's shim has exited: ") + e.what());
    }
    if (n == 0) co_return std::nullopt;
    parser_.feed(std::string_view(buffer, n));
  }
}

void ShimConnection::close() { stream_->close(); }

namespace {

asio::awaitable<shim::Frame> ask(std::string directory, shim::FrameType type) {
  const auto connection = co_await ShimConnection::connect(std::move(directory));
  co_await connection->send(type, "");
  auto answer = co_await connection->receive();
  if (!answer) throw ShimGone("the container's shim closed the connection");
  co_return std::move(*answer);
}

}  // namespace

asio::awaitable<shim::Frame> ask_shim(std::string directory, shim::FrameType type, std::chrono::nanoseconds limit) {
  auto answer = co_await base::within(limit, "asking the container's shim", ask(std::move(directory), type));
  co_return answer;
}

void start_shim(const std::string& program, const std::string& directory) {
  base::must_run({program, "supervise", directory});
}

}  // namespace rivera::garden
