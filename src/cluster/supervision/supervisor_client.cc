#include "cluster/supervision/supervisor_client.h"

#include <stdexcept>

#include <fmt/format.h>

#include "cluster/supervision/process.h"

namespace rivera::cluster {

SupervisorClient::SupervisorClient(asio::any_io_executor executor, const Settings& settings)
    : client_(executor), endpoint_(net::Endpoint::parse("unix:" + settings.supervisor_socket().string())) {}

asio::awaitable<std::vector<ComponentStatus>> SupervisorClient::components() {
  const std::string body = co_await call("GET", "/v1/components");
  co_return parse_component_statuses(body);
}

asio::awaitable<void> SupervisorClient::restart(std::string component) {
  co_await call("POST", fmt::format("/v1/components/{}/restart", component));
}

asio::awaitable<void> SupervisorClient::stop() { co_await call("POST", "/v1/stop"); }

asio::awaitable<std::string> SupervisorClient::call(std::string method, std::string target) {
  net::HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  net::HttpResponse response = co_await client_.send(endpoint_, std::move(request));
  if (response.status >= 300) throw std::runtime_error(fmt::format("the supervisor answered {}", response.status));
  co_return std::move(response.body);
}

std::optional<pid_t> supervisor_pid(const Settings& settings) {
  for (const RunningProcess& process : processes_of(settings)) {
    if (is_supervisor(process)) return process.pid;
  }
  return std::nullopt;
}

}  // namespace rivera::cluster
