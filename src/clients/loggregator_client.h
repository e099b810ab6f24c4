// A client of Loggregator's v2 ingress: metrics and logs to the agent of this machine (docs/spec/loggregator.md §7).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/log/log.h"
#include "base/metrics/metric.h"
#include "net/stream/tls.h"

namespace rivera::base {
class ConfigFile;
struct ConfigKey;
}  // namespace rivera::base

namespace rivera::clients {

struct LoggregatorOptions {
  bool is_enabled = false;  // false: nothing is sent
  std::string address = "localhost:3458";
  net::TlsFiles tls = {};      // all three are required; the server must be called "metron"
  std::string origin = {};     // becomes a tag of every envelope, even when empty
  std::string source_id = {};  // of the component's own metrics, as instance_id
  std::string instance_id = {};
  std::size_t batch_max_size = 100;  // envelopes
  std::chrono::nanoseconds batch_flush_interval = std::chrono::milliseconds(100);
};

// The key `loggregator` for the table of a component, and its keys.
std::vector<base::ConfigKey> loggregator_keys();

// The same for a component that sends nothing to Loggregator; `reason` says so.
std::vector<base::ConfigKey> loggregator_keys_without_effect(const std::string& reason);

// Reads the object `loggregator` of a component's configuration (docs/spec/loggregator.md §7.1). Sending is off without
// it, with `loggregator_use_v2_api` false, and where neither that key nor a certificate is given
// (docs/spec/locket-and-auction.md §1.10). Throws base::ConfigError.
LoggregatorOptions read_loggregator_options(const base::ConfigFile& config);

// Sends in the background, from a thread of its own: an agent that is away, slow or stuck costs its callers nothing.
// Envelopes wait in a bounded buffer (10,000 of them, 8 MiB) that loses the oldest; the stream is opened again, for as
// long as it takes, with pauses of up to 2 s between attempts. Loss and recovery are logged once each. One call is one
// envelope. May be used from any thread.
class LoggregatorClient final : public base::MetricSink {
 public:
  // Connects when there is something to send. Throws std::runtime_error naming the TLS file that is missing or bad.
  LoggregatorClient(LoggregatorOptions options, base::Logger logger);
  // Sends what waits if that takes no longer than half a second.
  ~LoggregatorClient() override;

  void send_counter(const std::string& name, std::uint64_t growth, const base::MetricLabels& tags) override;
  void send_gauge(const std::string& name, double value, const std::string& unit,
                  const base::MetricLabels& tags) override;

  // Lines of an application's log, standard output and standard error. The tags `source_id` and `instance_id` say whose
  // it is; they and all others are tags of the envelope too. `text` is cut at 61,440 bytes.
  void send_app_log(const std::string& text, const std::string& source_type, const base::MetricLabels& tags);
  void send_app_error_log(const std::string& text, const std::string& source_type, const base::MetricLabels& tags);

  // Envelopes that were lost because the buffer was full.
  std::uint64_t lost() const;

 private:
  class Sender;
  std::unique_ptr<Sender> sender_;  // null: not enabled
};

// Makes a client as a component does at its start: what is wrong with the certificates is logged as fatal under
// `failure_name`, upstream's name for it, and thrown.
std::unique_ptr<LoggregatorClient> make_loggregator_client(const LoggregatorOptions& options,
                                                           const base::Logger& logger, std::string_view failure_name);

}  // namespace rivera::clients
