// Garden's HTTP API (docs/spec/garden.md §1): from requests to the gardener and back.
#pragma once

#include "base/log/log.h"
#include "garden/gardener/gardener.h"
#include "garden/process_streams.h"
#include "net/http/http_router.h"

namespace rivera::garden {

// Owns the route table; must outlive the server that uses it.
class Api {
 public:
  // `document_timeout`: for all of a JSON body, however steadily it comes.
  Api(asio::any_io_executor executor, Gardener& gardener, std::chrono::nanoseconds document_timeout,
      base::Logger logger);

  net::HttpHandler handler() const { return router_.handler(); }
  // Ends the streams of processes, when the server stops.
  void close_streams() { streams_.close_all(); }

 private:
  using Parameters = net::PathParameters;
  using Answer = asio::awaitable<boost::json::value>;
  // A route that takes a JSON body (null if there is none) and gives a JSON value.
  using JsonHandler = std::function<Answer(Api&, const net::RequestHead&, const Parameters&, boost::json::value)>;

  void add(const char* method, const char* pattern, bool has_body, JsonHandler handler);
  asio::awaitable<void> answer(net::HttpExchange& exchange, const Parameters& parameters, bool has_body,
                               const JsonHandler& handler);
  void add_container_routes();
  void add_network_routes();
  void add_property_routes();
  void add_stream_routes();

  // Throws boost::system::system_error (timed_out), net::BodyTooLarge.
  asio::awaitable<std::string> read_document(net::HttpExchange& exchange) const;
  asio::awaitable<void> run(net::HttpExchange& exchange, const Parameters& parameters);
  asio::awaitable<void> attach(net::HttpExchange& exchange, const Parameters& parameters);
  asio::awaitable<void> stream_in(net::HttpExchange& exchange, const Parameters& parameters);
  asio::awaitable<void> stream_out(net::HttpExchange& exchange, const Parameters& parameters);

  Gardener& gardener_;
  std::chrono::nanoseconds document_timeout_;
  base::Logger logger_;
  ProcessStreams streams_;
  net::HttpRouter router_;
};

}  // namespace rivera::garden
