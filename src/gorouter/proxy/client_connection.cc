#include "gorouter/proxy/client_connection.h"

#include "gorouter/proxy/exchange.h"
#include "gorouter/replies/router_response.h"

namespace rivera::gorouter {
namespace {

constexpr std::size_t kServerSlack = 4096;  // Go refuses a head that exceeds the configured limit by this

// The Base64 part of a PEM block, without line ends.
std::string pem_body(const std::string& pem) {
  std::string out;
  std::size_t start = 0;
  while (start < pem.size()) {
    const auto end = std::min(pem.find('\n', start), pem.size());
    const std::string_view line = std::string_view(pem).substr(start, end - start);
    if (line.starts_with("-----END")) break;
    if (!line.starts_with("-----")) out += line;
    start = end + 1;
  }
  return out;
}

}  // namespace

std::string_view host_without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

ClientConnection::ClientConnection(DataPlane& plane, std::unique_ptr<net::Stream> stream)
    : plane_(plane), stream_(std::move(stream)), peer_(stream_->peer_address()) {
  peer_ip_ = host_without_port(peer_);
  reader_.use_budget(plane_.heads);
  idle_since_ = std::chrono::steady_clock::now();
  deadline_ = idle_since_ + plane_.config.frontend_idle_timeout;
  ++plane_.probe.client_connections;
}

ClientConnection::~ClientConnection() { --plane_.probe.client_connections; }

asio::awaitable<void> ClientConnection::serve(std::shared_ptr<ClientConnection> /*keeps us alive*/) {
  try {
    for (;;) {
      const bool again = co_await serve_one();
      if (!again || finishing_) break;
      reader_.shrink(head_);
    }
    if (!upgraded_) co_await stream_->shutdown_write();
  } catch (const std::exception& e) {
    plane_.logger.debug("client-connection-ended", {{"error", e.what()}});
  }
  stream_->close();
}

asio::awaitable<bool> ClientConnection::serve_one() {
  const auto& config = plane_.config;
  idle_since_ = std::chrono::steady_clock::now();
  deadline_ = idle_since_ + config.frontend_idle_timeout;
  int refused = 0;
  std::string why;
  net::Http1Framing framing;
  const bool begun = co_await reader_.wait_for_input(*stream_);
  if (!begun) co_return false;
  if (config.read_header_timeout.count() > 0) {
    deadline_ = std::min(deadline_, std::chrono::steady_clock::now() + config.read_header_timeout);
  }
  try {
    const bool got = co_await reader_.read_head(*stream_, head_, config.max_request_header_bytes + kServerSlack);
    if (!got) co_return false;
    net::parse_http1_request(head_, request_);
    framing = net::framing_of(request_);
  } catch (const net::Http1Error& e) {
    refused = e.status;
    why = e.what();
  }
  if (refused != 0) {
    co_await refuse(refused, std::move(why));
    co_return false;
  }
  if (request_.major != 1 || request_.minor > 1) {
    note_refusal(400, "unsupported HTTP version");
    co_await stream_->write("HTTP/1.0 400 Bad Request\r\n\r\n");
    co_return false;
  }
  reader_.begin_body(framing);
  Exchange exchange(*this, framing);
  exchange_ = &exchange;
  struct Forget {
    Exchange*& pointer;
    ~Forget() { pointer = nullptr; }
  } forget{exchange_};
  const bool again = co_await exchange.run();
  co_return again;
}

// Such a request has no line in the access log: there is nothing to fill one with.
void ClientConnection::note_refusal(int status, std::string_view reason) {
  plane_.logger.info("request-refused", {{"status", status}, {"reason", reason}, {"peer", peer_}});
}

asio::awaitable<void> ClientConnection::refuse(int status, std::string what) {
  note_refusal(status, what);
  const std::string answer = malformed_request_response(status, what);
  co_await stream_->write(answer);
}

std::string_view ClientConnection::certificate_for_header() {
  if (!certificate_)
    certificate_ = stream_->is_tls() ? pem_body(stream_->peer_identity().certificate_pem) : std::string();
  return *certificate_;
}

void ClientConnection::tick(Instant now) {
  if (exchange_ != nullptr) {
    exchange_->tick(now);
  } else if (now > deadline_) {
    stream_->close();
  }
}

void ClientConnection::finish() {
  finishing_ = true;
  if (exchange_ == nullptr) {
    stream_->close();
  } else {
    exchange_->finish();
  }
}

void ClientConnection::abort() {
  finishing_ = true;
  if (exchange_ != nullptr) exchange_->abort();
  stream_->close();
}

}  // namespace rivera::gorouter
