#include "garden/runtime/shim_connection.h"

#include <fcntl.h>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/files.h"
#include "base/on_exit.h"
#include "base/process/subprocess.h"
#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "garden/ids/id_ranges.h"
#include "net/http/http_client.h"

namespace rivera::garden {

asio::awaitable<std::unique_ptr<ShimConnection>> ShimConnection::connect(const Context& context, Container& container) {
  const auto keep = container.shared_from_this();
  auto place = container.opened_directory;
  // The path of a socket is limited to 107 characters, that of a container's directory is not.
  if (!place) {
    auto open = [directory = container.directory] {
      return std::make_shared<const base::UniqueFd>(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    };
    place = co_await context.on_worker(std::move(open));
    if (!*place) throw ShimGone("no shim: " + container.directory + " does not exist");
    container.opened_directory = place;
  }
  net::Endpoint endpoint;
  endpoint.is_unix = true;
  endpoint.host = "/proc/self/fd/" + std::to_string(place->get()) + "/" + shim::kSocketName;
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
  RIVERA_CHECK(!std::exchange(is_writing_, true), "one frame is written at a time");
  const base::OnExit written([this] { is_writing_ = false; });
  try {
    co_await stream_->write(bytes);
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    throw ShimGone(std::string("the container's shim has exited: ") + e.what());
  }
}

asio::awaitable<std::optional<shim::Frame>> ShimConnection::receive() {
  RIVERA_CHECK(!std::exchange(is_reading_, true), "one frame is read at a time");
  const base::OnExit read([this] { is_reading_ = false; });
  for (;;) {
    auto frame = parser_.next();
    if (frame) co_return frame;
    // Not on the coroutine's frame, which lives as long as the wait: there may be hundreds.
    buffer_.resize(16 * base::kKibibyte);
    std::size_t n = 0;
    try {
      n = co_await stream_->read_some(buffer_);
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      throw ShimGone(std::string("the container's shim has exited: ") + e.what());
    }
    if (n == 0) co_return std::nullopt;
    parser_.feed(std::string_view(buffer_.data(), n));
  }
}

asio::awaitable<std::optional<shim::Frame>> ShimConnection::send_and_receive(shim::FrameType type,
                                                                             std::string payload) {
  co_await send(type, std::move(payload));
  auto answer = co_await receive();
  co_return answer;
}

asio::awaitable<std::optional<shim::Frame>> ShimConnection::exchange(shim::FrameType type, std::string payload,
                                                                     std::chrono::nanoseconds limit, std::string what) {
  auto work = send_and_receive(type, std::move(payload));
  return base::within(limit, std::move(what), std::move(work));
}

void ShimConnection::close() { stream_->close(); }

namespace {

// "inside outside length,…", as the shim takes it.
std::string map_text(const std::vector<IdMapping::Range>& ranges) {
  std::string text;
  for (const auto& range : ranges) {
    text += (text.empty() ? "" : ",") + std::to_string(range.container) + " " + std::to_string(range.host) + " " +
            std::to_string(range.length);
  }
  return text;
}

}  // namespace

asio::awaitable<shim::Frame> ask_shim(const Context& context, Container& container, shim::FrameType type,
                                      std::chrono::nanoseconds limit) {
  const auto connection = co_await ShimConnection::connect(context, container);
  auto answer = co_await connection->exchange(type, "", limit, "asking the container's shim");
  if (!answer) throw ShimGone("the container's shim closed the connection");
  co_return std::move(*answer);
}

ShimNamespaces start_shim(const std::string& program, const std::string& directory, std::uint32_t owner,
                          const IdMapping& mapping, const IdMapping::Range& own_ids) {
  std::vector<std::string> command{program, "supervise", directory, "network"};
  if (owner != 0) {
    const std::vector<std::string> user_namespace{std::to_string(owner), map_text(mapping.uids), map_text(mapping.gids),
                                                  "max_user_namespaces=0"};
    command.insert(command.end(), user_namespace.begin(), user_namespace.end());
    if (own_ids.length > 0) {
      command.push_back("ids=" + std::to_string(own_ids.host) + ":" + std::to_string(own_ids.length) + ":" +
                        IdRanges::kLockFile);
    }
  }
  std::istringstream output(base::must_run(command));
  ShimNamespaces made;
  if (!std::getline(output, made.network) || made.network.empty()) throw std::runtime_error("the shim has no network");
  std::getline(output, made.user);
  return made;
}

}  // namespace rivera::garden
