// A typed client of Garden's API (docs/spec/garden.md §1), over its Unix socket or TCP.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"
#include "clients/garden/garden_types.h"
#include "net/http/http_client.h"

namespace rivera::clients {

struct GardenClientOptions {
  std::string address = "unix:/tmp/garden.sock";  // or "http://10.0.0.1:7777"
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(2);
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);  // of the quick calls
  std::chrono::nanoseconds create_timeout = std::chrono::minutes(10);   // an image may have to be fetched
  std::chrono::nanoseconds destroy_timeout = std::chrono::minutes(2);
  std::chrono::nanoseconds stream_pause = std::chrono::minutes(5);  // between two pieces of a tar stream
};

// Takes output as it comes; the chunk is valid until the awaitable ends. While it waits, the process's output is
// buffered by the server up to a bound, and dropped beyond. Null: the stream is not asked for.
using OutputSink = std::function<asio::awaitable<void>(std::string_view chunk)>;

struct ProcessIO {
  OutputSink output;  // standard output; with a terminal, everything
  OutputSink error;   // standard error
};

// A process in a container, while we are attached to it. Destroying it detaches: the process keeps running.
// Used on the client's executor only.
class GardenProcess {
 public:
  virtual ~GardenProcess() = default;
  virtual const std::string& id() const = 0;

  // The exit status (128 + n if killed by signal n), after both sinks have had everything.
  // Throws net::TransportError if the connection breaks (attach again once the server is back), GardenError if the
  // server does not know it. May be called more than once and cancelled, by one caller at a time.
  virtual asio::awaitable<int> wait() = 0;
  virtual asio::awaitable<void> signal(garden::Signal signal) = 0;

  // Valid UTF-8 only: the protocol carries text.
  virtual asio::awaitable<void> write_input(std::string text) = 0;
  virtual asio::awaitable<void> close_input() = 0;
  virtual asio::awaitable<void> set_window_size(garden::WindowSize size) = 0;
};

// The tar stream of stream_out().
class GardenTarStream {
 public:
  virtual ~GardenTarStream() = default;
  // Some bytes; "" at the end.
  virtual asio::awaitable<std::string> read() = 0;
};

// One result of a bulk call: a value or an error message.
template <typename T>
struct BulkEntry {
  T value;
  std::string error;  // empty: none
};

// Every call throws garden::GardenError or one of its kinds with the server's error, and net::TransportError or
// base::DeadlineExceeded if no answer came. Used on its executor only; must outlive its processes' use of it.
class GardenClient {
 public:
  GardenClient(asio::any_io_executor executor, GardenClientOptions options);
  ~GardenClient();

  asio::awaitable<void> ping();
  asio::awaitable<garden::Capacity> capacity();

  // The handles of finished containers that have all these properties.
  asio::awaitable<std::vector<std::string>> containers(garden::PropertyFilter filter = {});
  // Returns the handle.
  asio::awaitable<std::string> create(garden::ContainerSpec spec);
  asio::awaitable<void> destroy(std::string handle);
  // Ends every process except the container's first. With `kill` at once.
  asio::awaitable<void> stop(std::string handle, bool kill);

  asio::awaitable<garden::ContainerInfo> info(std::string handle);
  asio::awaitable<std::map<std::string, BulkEntry<garden::ContainerInfo>>> bulk_info(std::vector<std::string> handles);
  asio::awaitable<garden::ContainerMetrics> metrics(std::string handle);
  asio::awaitable<std::map<std::string, BulkEntry<garden::ContainerMetrics>>> bulk_metrics(
      std::vector<std::string> handles);

  // Unpacks a tar stream as `user` ("" = root) below `destination`, which is made if missing. `tar` gives pieces, "" at
  // its end. There is no limit on the whole transfer: wrap it in base::within() where one is wanted.
  asio::awaitable<void> stream_in(std::string handle, std::string user, std::string destination, net::BodySource tar);
  // A tar stream of `source`; one that ends in "/" gives its content as "./…".
  asio::awaitable<std::unique_ptr<GardenTarStream>> stream_out(std::string handle, std::string user,
                                                               std::string source);

  asio::awaitable<garden::PortMapping> net_in(std::string handle, std::uint32_t host_port,
                                              std::uint32_t container_port);
  asio::awaitable<void> net_out(std::string handle, garden::NetOutRule rule);
  asio::awaitable<void> bulk_net_out(std::string handle, std::vector<garden::NetOutRule> rules);

  // Starts a process. The sinks are called until wait() returns or the process object goes.
  asio::awaitable<std::unique_ptr<GardenProcess>> run(std::string handle, garden::ProcessSpec spec, ProcessIO io);
  // Joins a process that runs, or has ended and is remembered. Output from now on, and what has not been read yet.
  asio::awaitable<std::unique_ptr<GardenProcess>> attach(std::string handle, std::string process_id, ProcessIO io);

  asio::awaitable<garden::Properties> properties(std::string handle);
  asio::awaitable<std::string> property(std::string handle, std::string key);
  asio::awaitable<void> set_property(std::string handle, std::string key, std::string value);
  asio::awaitable<void> remove_property(std::string handle, std::string key);

  // Destroyed if unused for that long; 0: never.
  asio::awaitable<void> set_grace_time(std::string handle, std::chrono::nanoseconds grace_time);

  void set_trace_id(std::string trace_id);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::clients
