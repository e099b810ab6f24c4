#include "clients/testing/test_ingress.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "base/files.h"
#include "loggregator.grpc.pb.h"

namespace rivera::clients {
namespace {

namespace wire = loggregator::v2;

constexpr auto kPatience = std::chrono::seconds(20);

ReceivedEnvelope read(const wire::Envelope& envelope, std::size_t batch_size) {
  using Kind = ReceivedEnvelope::Kind;
  ReceivedEnvelope read;
  read.timestamp = envelope.timestamp();
  read.source_id = envelope.source_id();
  read.instance_id = envelope.instance_id();
  read.tags = {envelope.tags().begin(), envelope.tags().end()};
  read.batch_size = batch_size;
  if (envelope.has_counter()) {
    read.kind = Kind::kCounter;
    read.name = envelope.counter().name();
    read.value = static_cast<double>(envelope.counter().delta());
  } else if (envelope.has_gauge() && envelope.gauge().metrics_size() == 1) {
    const auto& [name, gauge] = *envelope.gauge().metrics().begin();
    read.kind = Kind::kGauge;
    read.name = name;
    read.value = gauge.value();
    read.unit = gauge.unit();
  } else if (envelope.has_log()) {
    read.kind = envelope.log().type() == wire::Log::ERR ? Kind::kErrorLog : Kind::kLog;
    read.name = envelope.log().payload();
  }
  return read;
}

}  // namespace

struct TestIngress::Server final : wire::Ingress::Service {
  net::TlsFiles tls;
  std::string address = "127.0.0.1:0";
  std::unique_ptr<grpc::Server> server;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  bool is_stuck = false;
  bool is_stopping = false;
  std::vector<ReceivedEnvelope> received;

  grpc::Status BatchSender(grpc::ServerContext*, grpc::ServerReader<wire::EnvelopeBatch>* reader,
                           wire::BatchSenderResponse*) override {
    wire::EnvelopeBatch batch;
    do {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return !is_stuck || is_stopping; });
      for (const wire::Envelope& envelope : batch.batch()) {
        received.push_back(read(envelope, static_cast<std::size_t>(batch.batch_size())));
      }
      changed.notify_all();
    } while (reader->Read(&batch));
    return {grpc::StatusCode::UNKNOWN, "EOF"};  // as upstream's agents answer
  }

  void start() {
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = base::read_file(tls.ca_file);
    options.pem_key_cert_pairs.push_back({base::read_file(tls.key_file), base::read_file(tls.certificate_file)});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::SslServerCredentials(options), &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(this);
    server = builder.BuildAndStart();
    if (!server || port == 0) throw std::runtime_error("cannot listen on " + address);
    address = fmt::format("127.0.0.1:{}", port);
  }

  void stop() {
    if (!server) return;
    set([this] { is_stopping = true; });
    server->Shutdown(std::chrono::system_clock::now());
    server->Wait();
    server.reset();
    set([this] { is_stopping = false; });
  }

  template <typename Change>
  void set(Change change) {
    const std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
};

TestIngress::TestIngress(net::TestCertificates& certificates, const std::string& certificate_name)
    : server_(std::make_unique<Server>()) {
  net::CertificateRequest request;
  request.common_name = certificate_name;
  request.dns_names = {certificate_name};
  request.addresses = {};
  server_->tls = certificates.issue(request);
}

TestIngress::~TestIngress() { stop(); }

void TestIngress::start() { server_->start(); }
void TestIngress::stop() { server_->stop(); }
const std::string& TestIngress::address() const { return server_->address; }

std::string TestIngress::config_for(const std::string& component, const net::TlsFiles& client) const {
  const auto colon = address().rfind(':');
  return fmt::format(
      R"({{"loggregator_use_v2_api": true, "loggregator_api_host": "{}", "loggregator_api_port": {},
           "loggregator_ca_path": "{}", "loggregator_cert_path": "{}", "loggregator_key_path": "{}",
           "loggregator_job_origin": "{}", "loggregator_source_id": "{}", "loggregator_instance_id": "{}-0",
           "loggregator_batch_max_size": 1, "BatchFlushInterval": 10000000}})",
      address().substr(0, colon), address().substr(colon + 1), client.ca_file, client.certificate_file, client.key_file,
      component, component, component);
}

void TestIngress::set_stuck(bool is_stuck) {
  server_->set([this, is_stuck] { server_->is_stuck = is_stuck; });
}

std::vector<ReceivedEnvelope> TestIngress::received() const {
  const std::lock_guard lock(server_->mutex);
  return server_->received;
}

ReceivedEnvelope TestIngress::wait_for(const std::string& what,
                                       const std::function<bool(const ReceivedEnvelope&)>& is_it) const {
  std::unique_lock lock(server_->mutex);
  const auto& all = server_->received;
  auto found = all.end();
  const bool came = server_->changed.wait_for(lock, kPatience, [&] {
    found = std::find_if(all.begin(), all.end(), is_it);
    return found != all.end();
  });
  if (!came) throw std::runtime_error(fmt::format("{} did not come; {} other envelopes did", what, all.size()));
  return *found;
}

ReceivedEnvelope TestIngress::wait_for(const std::string& name) const {
  return wait_for(name, [&name](const ReceivedEnvelope& envelope) { return envelope.name == name; });
}

}  // namespace rivera::clients
