#include "garden/runtime/shim_part.h"

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
    return start_shim(program, directory, owner, mapping, own_ids);
  };
  const std::string user_namespace = co_await context_.on_worker(std::move(start));
  if (!user_namespace.empty()) bundle.joined_namespaces["user"] = user_namespace;
}

asio::awaitable<void> ShimPart::cleanup(Container& container) {
  bool has_quit = true;
  try {
    const auto answer = co_await ask_shim(context_, container.directory, shim::FrameType::kQuit, kQuitLimit);
    has_quit = answer.type == shim::FrameType::kExit;
  } catch (const ShimGone&) {
    // It had already exited.
  }
  if (!has_quit) throw api::GardenError("the container's shim still has processes");
}

}  // namespace rivera::garden
