// The container server as the executor uses it. garden_backend.h implements it with Garden; tests use a fake.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "clients/garden/garden_client.h"

namespace rivera::executor {

namespace garden = clients::garden;

// Every call throws garden::GardenError or a subclass, or, if there is no answer, net::TransportError or
// base::DeadlineExceeded. Used on the executor's strand only.
class ContainerBackend {
 public:
  virtual ~ContainerBackend() = default;

  virtual asio::awaitable<void> ping() = 0;
  virtual asio::awaitable<garden::Capacity> capacity() = 0;
  virtual asio::awaitable<std::vector<std::string>> containers(garden::PropertyFilter filter) = 0;
  virtual asio::awaitable<void> create(garden::ContainerSpec spec) = 0;
  virtual asio::awaitable<void> destroy(std::string handle) = 0;
  virtual asio::awaitable<garden::ContainerInfo> info(std::string handle) = 0;
  virtual asio::awaitable<std::map<std::string, clients::BulkEntry<garden::ContainerMetrics>>> bulk_metrics(
      std::vector<std::string> handles) = 0;
  virtual asio::awaitable<void> stream_in(std::string handle, std::string user, std::string destination,
                                          net::BodySource tar) = 0;
  virtual asio::awaitable<std::unique_ptr<clients::GardenTarStream>> stream_out(std::string handle, std::string user,
                                                                                std::string source) = 0;
  virtual asio::awaitable<std::unique_ptr<clients::GardenProcess>> run(std::string handle, garden::ProcessSpec spec,
                                                                       clients::ProcessIO io) = 0;
  virtual asio::awaitable<std::unique_ptr<clients::GardenProcess>> attach(std::string handle, std::string process_id,
                                                                          clients::ProcessIO io) = 0;
  virtual asio::awaitable<void> set_property(std::string handle, std::string key, std::string value) = 0;
};

}  // namespace rivera::executor
