#include "garden/images/image_part.h"

#include <boost/json/value_to.hpp>

namespace rivera::garden {

namespace api = clients::garden;

ImagePart::ImagePart(const Context& context)
    : context_(context), images_(context), background_(context.executor, context.logger) {}

asio::awaitable<void> ImagePart::start(const Containers& containers) {
  std::set<std::string> handles;
  for (const auto& [handle, container] : containers) {
    handles.insert(handle);
    for (const auto& [id, pea] : container->record.peas) handles.insert(id);
  }
  co_await images_.start(std::move(handles));
}

asio::awaitable<void> ImagePart::stop() {
  co_await background_.stop();
  co_await images_.stop();
}

asio::awaitable<void> ImagePart::remove_everything() { co_await images_.remove_everything(); }

void ImagePart::reserve(Container& container, const api::ContainerSpec&) {
  container.state<State>().image.id = container.record.handle;
}

ImageRequest ImagePart::request_for(const Container& container, const std::string& id, api::ImageRef image) const {
  ImageRequest request;
  request.id = id;
  request.image = std::move(image);
  if (container.record.privileged) return request;
  request.mapping = unprivileged_mapping(context_.options, context_.host);
  if (container.mapping != request.mapping) request.owners = translation(request.mapping, container.mapping);
  return request;
}

asio::awaitable<void> ImagePart::prepare(Container& container, const api::ContainerSpec& spec, BundleInput& bundle) {
  ImageRequest request = request_for(container, container.record.handle, spec.image);
  request.disk = spec.limits.disk;
  Image image = co_await images_.create(std::move(request));
  bundle.root = image.root;
  container.files_directory = image.files;
  // The image's variables come first: the container's own win.
  container.record.env.insert(container.record.env.begin(), image.env.begin(), image.env.end());
  container.state<State>().image = std::move(image);
}

asio::awaitable<void> ImagePart::cleanup(Container& container) { co_await images_.destroy(container.record.handle); }

// The image of a process is named like the process. It has no disk limit.
asio::awaitable<void> ImagePart::prepare_pea(Container& container, Pea& pea, const api::ProcessSpec& spec,
                                             BundleInput& bundle) {
  ImageRequest request = request_for(container, pea.id, spec.image);
  Image image = co_await images_.create(std::move(request));
  bundle.root = image.root;
  bundle.image_env = image.env;
  container.state<State>().images_of_peas[pea.id] = std::move(image);
}

asio::awaitable<void> ImagePart::add_pea_metrics(Container& container, const Pea& pea, api::ContainerMetrics& metrics) {
  Image image;
  image.id = pea.id;
  const auto& images = container.state<State>().images_of_peas;
  const auto found = images.find(pea.id);
  if (found != images.end()) image = found->second;
  const std::uint64_t size = image.size;
  metrics.disk.exclusive_bytes_used = co_await images_.used_bytes(std::move(image));
  metrics.disk.total_bytes_used = metrics.disk.exclusive_bytes_used + size;
}

asio::awaitable<void> ImagePart::cleanup_pea(Container& container, const Pea& pea) {
  container.state<State>().images_of_peas.erase(pea.id);
  co_await images_.destroy(pea.id);
}

boost::json::object ImagePart::state(const Container& container) const {
  const auto* state = container.find_state<State>();
  if (state == nullptr) return {};
  return {{"root", state->image.root},
          {"id", state->image.id},
          {"size", state->image.size},
          {"limit_bytes", state->image.limit.bytes},
          {"limit_inodes", state->image.limit.inodes}};
}

asio::awaitable<void> ImagePart::recover(Container& container, const boost::json::object& state) {
  if (state.empty()) co_return;
  Image& image = container.state<State>().image;
  image.root = boost::json::value_to<std::string>(state.at("root"));
  image.id = boost::json::value_to<std::string>(state.at("id"));
  image.size = state.at("size").to_number<std::uint64_t>();
  // Earlier servers had no limits.
  if (const auto* bytes = state.if_contains("limit_bytes")) image.limit.bytes = bytes->to_number<std::uint64_t>();
  if (const auto* inodes = state.if_contains("limit_inodes")) image.limit.inodes = inodes->to_number<std::uint64_t>();
  container.files_directory = images_.files_of(image.id, image.limit);
}

asio::awaitable<void> ImagePart::count_bytes(ContainerPtr container) {
  auto& state = container->state<State>();
  state.is_counting = true;
  std::exception_ptr failure;
  try {
    state.exclusive_bytes = co_await images_.used_bytes(state.image);
  } catch (...) {
    failure = std::current_exception();
  }
  state.counted_at = std::chrono::steady_clock::now();
  state.is_counting = false;
  if (failure) std::rethrow_exception(failure);
}

// A disk limit knows what is used. Without one, counting a container's files takes as long as there are files: the
// first caller waits, later ones get the last count while the next runs in the background.
asio::awaitable<void> ImagePart::add_metrics(Container& container, api::ContainerMetrics& metrics) {
  constexpr auto kInterval = std::chrono::seconds(30);
  auto& state = container.state<State>();
  const auto now = std::chrono::steady_clock::now();
  if (state.image.limit.bytes > 0) {
    state.exclusive_bytes = co_await images_.used_bytes(state.image);
  } else if (state.counted_at.time_since_epoch().count() == 0) {
    co_await count_bytes(container.shared_from_this());
  } else if (!state.is_counting && now - state.counted_at > kInterval) {
    background_.spawn("count-disk-bytes", count_bytes(container.shared_from_this()));
  }
  metrics.disk.exclusive_bytes_used = state.exclusive_bytes;
  metrics.disk.total_bytes_used = state.image.size + state.exclusive_bytes;
}

asio::awaitable<void> ImagePart::add_capacity(api::Capacity& capacity) {
  const auto size = co_await images_.disk_size();
  capacity.disk_in_bytes = size.first;
  capacity.schedulable_disk_in_bytes = size.second;
}

}  // namespace rivera::garden
