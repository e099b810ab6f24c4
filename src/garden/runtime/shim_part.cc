#include "garden/runtime/shim_part.h"

#include <fcntl.h>
#include <filesystem>

#include "garden/runtime/shim_connection.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr auto kQuitLimit = std::chrono::seconds(20);

}  // namespace

asio::awaitable<void> ShimPart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  auto start = [program = context_.options.shim_bin, directory = container.directory,
                owner = container.user_namespace_owner, mapping = container.mapping, own_ids = container.own_ids] {
    std::filesystem::create_directories(directory + "/processes");
    auto made = start_shim(program, directory, owner, mapping, own_ids);
    auto network = std::make_shared<base::UniqueFd>(::open(made.network.c_str(), O_RDONLY | O_CLOEXEC));
    if (!*network) throw std::system_error(errno, std::generic_category(), "open " + made.network);
    return std::pair(std::move(made), std::move(network));
  };
  auto started = co_await context_.on_worker(std::move(start));
  container.network_namespace = std::move(started.second);
  bundle.joined_namespaces["network"] = started.first.network;
  if (!started.first.user.empty()) bundle.joined_namespaces["user"] = started.first.user;
}

asio::awaitable<void> ShimPart::cleanup(Container& container) {
  container.network_namespace.reset();
  bool has_quit = true;
  try {
    const auto answer = co_await ask_shim(context_, container, shim::FrameType::kQuit, kQuitLimit);
    has_quit = answer.type == shim::FrameType::kExit;
  } catch (const ShimGone&) {
    // It had already exited.
  }
  if (!has_quit) throw api::GardenError("the container's shim still has processes");
}

}  // namespace rivera::garden
