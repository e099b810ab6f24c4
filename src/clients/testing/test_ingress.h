// A Loggregator agent for tests: real gRPC and TLS; the test reads what it has received.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/testing/test_certificates.h"

namespace rivera::clients {

struct ReceivedEnvelope {
  enum class Kind { kCounter, kGauge, kLog, kErrorLog, kOther };
  Kind kind = Kind::kOther;
  std::string name;  // of the counter or the (only) gauge; the text of a log
  double value = 0;  // of the gauge, or the counter's delta
  std::string unit;  // of the gauge
  std::int64_t timestamp = 0;
  std::string source_id;
  std::string instance_id;
  std::map<std::string, std::string> tags;
  std::size_t batch_size = 0;  // envelopes of the batch it came in
};

// Any thread.
class TestIngress {
 public:
  // Its certificate is named "metron", unless it is to be another.
  explicit TestIngress(net::TestCertificates& certificates, const std::string& certificate_name = "metron");
  ~TestIngress();

  // On the same port as before. `address()` has that port once it was started.
  void start();
  // Breaks the streams off.
  void stop();
  const std::string& address() const;
  // The object `loggregator` of a component's configuration that leads here, as JSON text: batches of one envelope,
  // every 10 ms, as upstream's suites have it.
  std::string config_for(const std::string& component, const net::TlsFiles& client) const;

  // While stuck, streams are opened but not read.
  void set_stuck(bool is_stuck);

  std::vector<ReceivedEnvelope> received() const;
  // The first envelope for which `is_it` holds, received so far or within 20 s. Throws std::runtime_error.
  ReceivedEnvelope wait_for(const std::string& what, const std::function<bool(const ReceivedEnvelope&)>& is_it) const;
  // A metric of this name.
  ReceivedEnvelope wait_for(const std::string& name) const;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace rivera::clients
