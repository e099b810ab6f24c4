// Garden as the container server.
#pragma once

#include "executor/garden/container_backend.h"

namespace rivera::executor {

// Forwards every call to `client`, which must outlive it.
class GardenBackend final : public ContainerBackend {
 public:
  explicit GardenBackend(clients::GardenClient& client) : client_(client) {}

  asio::awaitable<void> ping() override;
  asio::awaitable<garden::Capacity> capacity() override;
  asio::awaitable<std::vector<std::string>> containers(garden::PropertyFilter filter) override;
  asio::awaitable<void> create(garden::ContainerSpec spec) override;
  asio::awaitable<void> destroy(std::string handle) override;
  asio::awaitable<garden::ContainerInfo> info(std::string handle) override;
  asio::awaitable<std::map<std::string, clients::BulkEntry<garden::ContainerMetrics>>> bulk_metrics(
      std::vector<std::string> handles) override;
  asio::awaitable<void> stream_in(std::string handle, std::string user, std::string destination,
                                  net::BodySource tar) override;
  asio::awaitable<std::unique_ptr<clients::GardenTarStream>> stream_out(std::string handle, std::string user,
                                                                        std::string source) override;
  asio::awaitable<std::unique_ptr<clients::GardenProcess>> run(std::string handle, garden::ProcessSpec spec,
                                                               clients::ProcessIO io) override;
  asio::awaitable<std::unique_ptr<clients::GardenProcess>> attach(std::string handle, std::string process_id,
                                                                  clients::ProcessIO io) override;
  asio::awaitable<void> set_property(std::string handle, std::string key, std::string value) override;

 private:
  clients::GardenClient& client_;
};

}  // namespace rivera::executor
