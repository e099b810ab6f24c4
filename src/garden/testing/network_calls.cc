#include "garden/testing/network_calls.h"

#include "net/http/http_client.h"

namespace rivera::garden {

namespace {

asio::awaitable<std::string> fetch_text(std::string host, std::uint32_t port) {
  net::Endpoint endpoint;
  endpoint.host = host;
  endpoint.port = static_cast<std::uint16_t>(port);
  std::string text;
  try {
    const auto stream = co_await net::connect(endpoint, std::nullopt, std::chrono::seconds(2));
    stream->set_timeout(std::chrono::seconds(2));
    std::string buffer(100, '\0');
    const std::size_t n = co_await stream->read_some(buffer);
    text = buffer.substr(0, n);
  } catch (const std::exception& e) {
    text = e.what();
  }
  co_return text;
}

}  // namespace

std::string fetch(TestGarden& garden, const std::string& host, std::uint32_t port) {
  return garden.await(fetch_text(host, port));
}

std::unique_ptr<RunningProcess> serve(TestGarden& garden, const std::string& handle) {
  return garden.begin(handle, shell("while true; do echo served | nc -l -p 8080; done"));
}

std::string call(TestGarden& garden, const std::string& handle, const std::string& host, std::uint32_t port) {
  return garden.run(handle, "nc -w 2 " + host + " " + std::to_string(port) + " < /dev/null").output;
}

}  // namespace rivera::garden
