#include "garden/images/image_part.h"

#include <boost/json/value_to.hpp>

namespace rivera::garden {

namespace api = clients::garden;

ImagePart::ImagePart(const Context& context)
    : context_(context),
      store_(context.options.state_dir, context.options.run_dir),
      background_(context.executor, context.logger) {}

asio::awaitable<void> ImagePart::start(const Containers& containers) {
  std::set<std::string> handles;
  for (const auto& [handle, container] : containers) {
    handles.insert(handle);
    for (const auto& [id, pea] : container->record.peas) handles.insert(id);
  }
  co_await remove_orphans(std::move(handles));
  collect_trash_in_background();
}

asio::awaitable<void> ImagePart::stop() { co_await background_.stop(); }

asio::awaitable<void> ImagePart::remove_everything() {
  co_await remove_orphans({});
  co_await background_.join();
  co_await collect_trash();
}

// Images that no container has, and layers that were being unpacked when the server was killed.
asio::awaitable<void> ImagePart::remove_orphans(std::set<std::string> handles) {
  auto remove = [this, handles] {
    store_.remove_incomplete_layers();
    for (const auto& id : store_.image_ids()) {
      if (!handles.contains(id)) store_.destroy(id);
    }
  };
  co_await context_.on_worker(std::move(remove));
}

void ImagePart::reserve(Container& container, const api::ContainerSpec&) {
  container.state<State>().image.id = container.record.handle;
}

asio::awaitable<void> ImagePart::prepare(Container& container, const api::ContainerSpec& spec, BundleInput& bundle) {
  auto create = [this, uri = spec.image.uri, handle = container.record.handle, mapping = container.mapping] {
    return store_.create(uri, handle, mapping);
  };
  container.state<State>().image = co_await context_.on_worker(std::move(create));
  bundle.root = container.state<State>().image.root;
}

asio::awaitable<void> ImagePart::cleanup(Container& container) {
  auto destroy = [this, handle = container.record.handle] { store_.destroy(handle); };
  co_await context_.on_worker(std::move(destroy));
  collect_trash_in_background();
}

// The image of a process is named like the process.
asio::awaitable<void> ImagePart::prepare_pea(Container& container, Pea& pea, const api::ProcessSpec& spec,
                                             BundleInput& bundle) {
  auto create = [this, uri = spec.image.uri, id = pea.id, mapping = container.mapping] {
    return store_.create(uri, id, mapping);
  };
  const Image image = co_await context_.on_worker(std::move(create));
  bundle.root = image.root;
  container.state<State>().sizes_of_peas[pea.id] = image.size;
}

asio::awaitable<void> ImagePart::add_pea_metrics(Container& container, const Pea& pea, api::ContainerMetrics& metrics) {
  auto count = [this, id = pea.id] { return store_.exclusive_bytes(id); };
  metrics.disk.exclusive_bytes_used = co_await context_.on_worker(std::move(count));
  const auto& sizes = container.state<State>().sizes_of_peas;
  const auto size = sizes.find(pea.id);
  metrics.disk.total_bytes_used = metrics.disk.exclusive_bytes_used + (size == sizes.end() ? 0 : size->second);
}

asio::awaitable<void> ImagePart::cleanup_pea(Container& container, const Pea& pea) {
  container.state<State>().sizes_of_peas.erase(pea.id);
  auto destroy = [this, id = pea.id] { store_.destroy(id); };
  co_await context_.on_worker(std::move(destroy));
  collect_trash_in_background();
}

boost::json::object ImagePart::state(const Container& container) const {
  const auto* state = container.find_state<State>();
  if (state == nullptr) return {};
  return {{"root", state->image.root}, {"id", state->image.id}, {"size", state->image.size}};
}

asio::awaitable<void> ImagePart::recover(Container& container, const boost::json::object& state) {
  if (state.empty()) co_return;
  container.state<State>().image = {boost::json::value_to<std::string>(state.at("root")),
                                    boost::json::value_to<std::string>(state.at("id")),
                                    state.at("size").to_number<std::uint64_t>()};
}

asio::awaitable<void> ImagePart::count_bytes(ContainerPtr container) {
  auto& state = container->state<State>();
  state.is_counting = true;
  auto count = [this, id = state.image.id] { return store_.exclusive_bytes(id); };
  std::exception_ptr failure;
  try {
    state.exclusive_bytes = co_await context_.on_worker(std::move(count));
  } catch (...) {
    failure = std::current_exception();
  }
  state.counted_at = std::chrono::steady_clock::now();
  state.is_counting = false;
  if (failure) std::rethrow_exception(failure);
}

// Counting a container's files takes as long as there are files: the first caller waits, later ones get the last count
// while the next runs in the background.
asio::awaitable<void> ImagePart::add_metrics(Container& container, api::ContainerMetrics& metrics) {
  constexpr auto kInterval = std::chrono::seconds(30);
  auto& state = container.state<State>();
  const auto now = std::chrono::steady_clock::now();
  if (state.counted_at.time_since_epoch().count() == 0) {
    co_await count_bytes(container.shared_from_this());
  } else if (!state.is_counting && now - state.counted_at > kInterval) {
    background_.spawn("count-disk-bytes", count_bytes(container.shared_from_this()));
  }
  metrics.disk.exclusive_bytes_used = state.exclusive_bytes;
  metrics.disk.total_bytes_used = state.image.size + state.exclusive_bytes;
}

asio::awaitable<void> ImagePart::add_capacity(api::Capacity& capacity) {
  auto measure = [this] { return store_.disk_size(); };
  const auto size = co_await context_.on_worker(std::move(measure));
  capacity.disk_in_bytes = size.first;
  capacity.schedulable_disk_in_bytes = size.second;
}

void ImagePart::collect_trash_in_background() {
  must_collect_again_ = true;
  if (!is_collecting_) background_.spawn("collect-trash", collect_trash());
}

asio::awaitable<void> ImagePart::collect_trash() {
  is_collecting_ = true;
  do {
    must_collect_again_ = false;
    auto collect = [this] { store_.collect_trash(); };
    co_await context_.on_worker(std::move(collect));
  } while (must_collect_again_);
  is_collecting_ = false;
}

}  // namespace rivera::garden
