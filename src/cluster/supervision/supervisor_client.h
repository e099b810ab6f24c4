// Speaks to the supervisor of a cluster.
#pragma once

#include <string>
#include <vector>

#include "base/asio.h"
#include "cluster/settings/settings.h"
#include "cluster/supervision/component_status.h"
#include "net/http/http_client.h"

namespace rivera::cluster {

// Used on its executor only. Calls throw net::TransportError if no supervisor answers.
class SupervisorClient {
 public:
  SupervisorClient(asio::any_io_executor executor, const Settings& settings);

  asio::awaitable<std::vector<ComponentStatus>> components();
  asio::awaitable<void> restart(std::string component);
  asio::awaitable<void> stop();

 private:
  asio::awaitable<std::string> call(std::string method, std::string target);

  net::HttpClient client_;
  net::Endpoint endpoint_;
};

// The process of the supervisor if it runs.
std::optional<pid_t> supervisor_pid(const Settings& settings);

}  // namespace rivera::cluster
