#include "gorouter/testing/raw_backend.h"

#include <fmt/format.h>

#include "net/stream/endpoint.h"
#include "net/stream/stream_factory.h"

namespace rivera::gorouter {

RawBackend::RawBackend(asio::any_io_executor executor)
    : acceptor_(executor, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

routing::PoolElement RawBackend::element() const {
  routing::Endpoint endpoint;
  endpoint.host = "127.0.0.1";
  endpoint.port = port();
  endpoint.address = fmt::format("127.0.0.1:{}", port());
  routing::PoolElement element;
  element.endpoint = std::make_shared<const routing::Endpoint>(std::move(endpoint));
  return element;
}

asio::awaitable<std::unique_ptr<net::Stream>> RawBackend::accept() {
  auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
  co_return net::make_stream(std::move(socket));
}

asio::awaitable<std::unique_ptr<net::Stream>> RawBackend::connect() {
  auto endpoint = net::Endpoint::parse(fmt::format("http://127.0.0.1:{}", port()));
  auto stream = co_await net::connect(std::move(endpoint), {}, std::chrono::seconds(5));
  co_return stream;
}

}  // namespace rivera::gorouter
