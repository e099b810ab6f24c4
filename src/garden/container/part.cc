#include "garden/container/part.h"

namespace rivera::garden {

namespace api = clients::garden;

asio::awaitable<void> Part::start(const Containers&) { co_return; }
asio::awaitable<void> Part::stop() { co_return; }
asio::awaitable<void> Part::remove_everything() { co_return; }
asio::awaitable<void> Part::check(Container&, const api::ContainerSpec&) { co_return; }
void Part::reserve(Container&, const api::ContainerSpec&) {}
asio::awaitable<void> Part::prepare(Container&, const api::ContainerSpec&, BundleInput&) { co_return; }
asio::awaitable<void> Part::launch(Container&) { co_return; }
asio::awaitable<void> Part::started(Container&, const api::ContainerSpec&) { co_return; }
asio::awaitable<void> Part::cleanup(Container&) { co_return; }
void Part::release(Container&) {}
boost::json::object Part::state(const Container&) const { return {}; }
asio::awaitable<void> Part::recover(Container&, const boost::json::object&) { co_return; }
asio::awaitable<void> Part::prepare_pea(Container&, Pea&, const api::ProcessSpec&, BundleInput&) { co_return; }
asio::awaitable<void> Part::cleanup_pea(Container&, const Pea&) { co_return; }
asio::awaitable<void> Part::add_pea_metrics(Container&, const Pea&, api::ContainerMetrics&) { co_return; }
asio::awaitable<void> Part::process_ended(Container&) { co_return; }
asio::awaitable<void> Part::add_info(Container&, api::ContainerInfo&) { co_return; }
asio::awaitable<void> Part::add_metrics(Container&, api::ContainerMetrics&) { co_return; }
asio::awaitable<void> Part::add_capacity(api::Capacity&) { co_return; }

}  // namespace rivera::garden
