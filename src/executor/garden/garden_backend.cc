#include "executor/garden/garden_backend.h"

namespace rivera::executor {

asio::awaitable<void> GardenBackend::ping() { return client_.ping(); }
asio::awaitable<garden::Capacity> GardenBackend::capacity() { return client_.capacity(); }

asio::awaitable<std::vector<std::string>> GardenBackend::containers(garden::PropertyFilter filter) {
  return client_.containers(std::move(filter));
}

asio::awaitable<void> GardenBackend::create(garden::ContainerSpec spec) { co_await client_.create(std::move(spec)); }

asio::awaitable<void> GardenBackend::destroy(std::string handle) { return client_.destroy(std::move(handle)); }

asio::awaitable<garden::ContainerInfo> GardenBackend::info(std::string handle) {
  return client_.info(std::move(handle));
}

asio::awaitable<std::map<std::string, clients::BulkEntry<garden::ContainerMetrics>>> GardenBackend::bulk_metrics(
    std::vector<std::string> handles) {
  return client_.bulk_metrics(std::move(handles));
}

asio::awaitable<void> GardenBackend::stream_in(std::string handle, std::string user, std::string destination,
                                               net::BodySource tar) {
  return client_.stream_in(std::move(handle), std::move(user), std::move(destination), std::move(tar));
}

asio::awaitable<std::unique_ptr<clients::GardenTarStream>> GardenBackend::stream_out(std::string handle,
                                                                                     std::string user,
                                                                                     std::string source) {
  return client_.stream_out(std::move(handle), std::move(user), std::move(source));
}

asio::awaitable<std::unique_ptr<clients::GardenProcess>> GardenBackend::run(std::string handle,
                                                                            garden::ProcessSpec spec,
                                                                            clients::ProcessIO io) {
  return client_.run(std::move(handle), std::move(spec), std::move(io));
}

asio::awaitable<std::unique_ptr<clients::GardenProcess>> GardenBackend::attach(std::string handle,
                                                                               std::string process_id,
                                                                               clients::ProcessIO io) {
  return client_.attach(std::move(handle), std::move(process_id), std::move(io));
}

asio::awaitable<void> GardenBackend::set_property(std::string handle, std::string key, std::string value) {
  return client_.set_property(std::move(handle), std::move(key), std::move(value));
}

}  // namespace rivera::executor
