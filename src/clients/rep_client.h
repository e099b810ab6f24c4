// A typed client of the rep's network API (docs/spec/locket-and-auction.md §3).
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/asio.h"
#include "models/placement/auction_json.h"
#include "models/placement/cell_state.h"
#include "net/http/http_client.h"

namespace rivera::clients {

struct RepClientOptions {
  net::TlsFiles tls;  // all three, or none for plain HTTP
  bool require_tls = false;
  std::chrono::nanoseconds state_timeout = std::chrono::seconds(10);    // a whole state request; 0 = none
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(10);  // everything else; 0 = none
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);
  std::size_t max_idle_per_cell = 2;
  std::size_t response_limit = 256u << 20;  // bytes of one answer
};

// The presence gives no address that may be used. The message is upstream's (§3.7).
class RepAddressError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The rep answered with a status that means failure: "unexpected status code: 503", "http error: status code 500
// (Internal Server Error)".
class RepStatusError : public std::runtime_error {
 public:
  RepStatusError(const std::string& message, int http_status) : std::runtime_error(message), status(http_status) {}
  int status;
};

namespace detail {
class RepConnections;
}

// One cell. Cheap to copy; shares its factory's connections and outlives it. Used on the factory's executor only.
//
// Every call throws net::TransportError or base::DeadlineExceeded if no answer came, RepStatusError if it was a
// refusal, and models::JsonError if it cannot be read.
class RepClient {
 public:
  // GET /state. A cell that says it is unhealthy (503) is an error, though it sends its state.
  asio::awaitable<models::CellState> state() const;
  // POST /work. Returns what the cell did not accept.
  asio::awaitable<models::Work> perform_work(models::Work work) const;
  // Accepted once the stop was issued; the instance ends later.
  asio::awaitable<void> stop_lrp_instance(std::string process_guid, std::string instance_guid) const;
  // Asks a rep too old for the v2 route again in the v1 form, without metric tags, where that has a meaning (§3.5).
  asio::awaitable<void> update_lrp_instance(models::LRPUpdate update) const;
  // Accepted before the rep looks for the task.
  asio::awaitable<void> cancel_task(std::string task_guid) const;
  asio::awaitable<models::ContainerMetricsCollection> container_metrics() const;

  // The address used, for logs.
  const std::string& address() const { return address_; }

 private:
  friend class RepClientFactory;
  RepClient(std::shared_ptr<detail::RepConnections> connections, std::string address, std::string ip_address,
            std::string trace_id);
  asio::awaitable<net::HttpResponse> send(std::string method, std::string target, std::string body,
                                          std::string content_type, std::chrono::nanoseconds timeout) const;

  std::shared_ptr<detail::RepConnections> connections_;
  std::string address_;     // "https://cell-1.cell.service.cf.internal:1801"
  std::string ip_address_;  // of the same cell, where `address_` holds a name; may be ""
  std::string trace_id_;
};

// Makes clients of cells that share one pool of connections.
//
// The server must present a certificate for the host name in the cell's rep_url. The connection is made to the IP
// address of the presence's rep_address, with the port of rep_url: a cell whose presence is known is reached without a
// name server. Where there is no such address, or no connection to it, the name is looked up; then the name comes first
// for five minutes.
class RepClientFactory {
 public:
  // Throws std::runtime_error naming a bad TLS file.
  RepClientFactory(asio::any_io_executor executor, RepClientOptions options);
  ~RepClientFactory();

  // For the cell with these addresses of its presence. Throws RepAddressError. `trace_id` becomes X-Vcap-Request-Id.
  RepClient at(const std::string& rep_address, const std::string& rep_url, const std::string& trace_id = "") const;

 private:
  std::shared_ptr<detail::RepConnections> connections_;
};

}  // namespace rivera::clients
