#include "gorouter/backends/bus.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "net/stream/tls_settings.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;

constexpr int kConnectPasses = 3;
constexpr auto kBetweenPasses = 100ms;
constexpr auto kSubscribeLimit = 10s;
constexpr std::size_t kMostLoggedPayload = 1024;
constexpr auto kRefusalPeriod = 60s;
constexpr int kMostRefusalsLogged = 100;  // in a period
constexpr std::size_t kMostRefusalsRemembered = 4096;

net::NatsClientOptions nats_options(const Config& config,
                                    std::function<void(net::NatsEvent, const std::string&)> on_event) {
  net::NatsClientOptions options;
  options.servers = config.nats.hosts;
  options.user = config.nats.user;
  options.password = config.nats.pass;
  options.ping_interval = config.nats.ping_interval;
  options.reconnect_wait = 2s;
  options.reconnect_jitter = config.nats.tls_enabled ? 1s : 100ms;
  options.on_event = std::move(on_event);
  if (!config.nats.tls_enabled) return options;
  net::TlsClientSettings tls;
  tls.ca_pem = config.nats.ca_certs;
  tls.trust_system_authorities = config.nats.ca_certs.empty();
  tls.identity = config.nats.identity;
  options.tls = net::make_client_context(tls);
  return options;
}

std::int64_t seconds(std::chrono::nanoseconds d) { return std::chrono::duration_cast<std::chrono::seconds>(d).count(); }

}  // namespace

std::string local_address() {
  asio::io_context io;
  asio::ip::udp::socket socket(io);
  error_code ec;
  // Connecting a UDP socket sends nothing: the kernel only chooses a route.
  socket.connect({asio::ip::make_address_v4("8.8.8.8"), 80}, ec);
  if (ec) return "127.0.0.1";
  const auto local = socket.local_endpoint(ec);
  return ec ? "127.0.0.1" : local.address().to_string();
}

std::string start_message(const Config& config, const std::string& id, const std::string& local_ip) {
  return fmt::format(
      R"({{"id":"{}","hosts":["{}"],"minimumRegisterIntervalInSeconds":{},"pruneThresholdInSeconds":{}}})", id,
      local_ip, seconds(config.start_response_delay), seconds(config.registry.stale_threshold));
}

Bus::Bus(asio::any_io_executor executor, const Config& config, routing::RouteRegistry& registry, BackendPool& backends,
         base::Metrics& metrics, base::Logger logger, std::function<void()> on_closed)
    : config_(config),
      registry_(registry),
      backends_(backends),
      metrics_(metrics),
      logger_(logger.session("nats")),
      on_closed_(std::move(on_closed)),
      id_(fmt::format("{}-{}", config.index, base::new_guid())),
      start_message_(start_message(config, id_, local_address())),
      nats_(executor,
            nats_options(config, [this](net::NatsEvent e, const std::string& server) { on_event(e, server); }),
            logger_) {}

Bus::~Bus() = default;

asio::awaitable<void> Bus::connect() {
  for (int pass = 1;; ++pass) {
    std::string failure;
    try {
      co_await nats_.connect();
      logger_.info("Successfully-connected-to-nats", {{"host", nats_.server()}});
      co_return;
    } catch (const net::NatsError& e) {
      failure = e.what();
    }
    logger_.error("nats-connection-error", {{"error", failure}});
    if (pass == kConnectPasses) throw net::NatsError(failure);
    co_await base::sleep_for(kBetweenPasses);
  }
}

// Upstream publishes router.start before it subscribes, and may miss the registrations that emitters send in response.
asio::awaitable<void> Bus::start() {
  greetings_ = nats_.subscribe("router.greet", [this](const net::NatsMessage& message) {
    if (!message.reply.empty()) nats_.publish(message.reply, start_message_);
  });
  messages_ = nats_.subscribe("router.*", [this](const net::NatsMessage& message) { on_message(message); });
  co_await nats_.flush(kSubscribeLimit);
  started_ = true;
  publish_start();
}

void Bus::publish_start() { nats_.publish("router.start", start_message_); }

void Bus::on_event(net::NatsEvent event, const std::string& server) {
  const auto host = server.substr(0, server.rfind(':'));
  switch (event) {
    case net::NatsEvent::kDisconnected:
      interrupted_ = true;
      logger_.info("nats-connection-disconnected", {{"host", host}, {"addr", server}});
      break;
    case net::NatsEvent::kReconnected:
      logger_.info("nats-connection-reconnected", {{"host", host}, {"addr", server}});
      if (started_) publish_start();
      break;
    case net::NatsEvent::kClosed:
      logger_.info("nats-connection-closed", {{"host", host}, {"addr", server}});
      on_closed_();
      break;
  }
}

asio::awaitable<void> Bus::watch() {
  for (;;) {
    co_await base::sleep_for(config_.nats.ping_interval);
    if (nats_.is_connected()) continue;
    logger_.info("nats-connection-still-disconnected", {{"addr", nats_.server()}});
  }
}

// The router's own router.start and every router.greet arrive here too; they are ignored.
void Bus::on_message(const net::NatsMessage& message) {
  const bool registers = message.subject == "router.register";
  if (!registers && message.subject != "router.unregister") return;
  try {
    apply(message, registers);
  } catch (const std::invalid_argument& e) {
    log_refusal(message, e.what());
  }
}

// Emitters repeat their messages: each refused one is logged once while it is remembered, and others only so often that
// their writer cannot fill the log.
void Bus::log_refusal(const net::NatsMessage& message, std::string_view error) {
  const auto now = std::chrono::steady_clock::now();
  if (now - refusals_since_ > kRefusalPeriod) {
    if (refusals_ > kMostRefusalsLogged) {
      logger_.error("validation-errors-not-logged", {{"count", refusals_ - kMostRefusalsLogged}});
    }
    refusals_since_ = now;
    refusals_ = 0;
  }
  if (refused_.size() >= kMostRefusalsRemembered) refused_.clear();
  if (!refused_.insert(std::hash<std::string_view>()(message.payload)).second) return;
  if (++refusals_ > kMostRefusalsLogged) return;
  logger_.error("validation-error", {{"error", error}, {"payload", message.payload.substr(0, kMostLoggedPayload)}});
}

void Bus::apply(const net::NatsMessage& message, bool is_registration) {
  const auto parsed = routing::parse_registry_message(message.payload);
  const auto now = std::chrono::steady_clock::now();
  if (!is_registration) {
    metrics_.increment("unregistry_message", static_cast<double>(parsed.uris.size()));
    const int removed = registry_.unregister_endpoint(parsed, now);
    if (removed > 0)
      backends_.close_idle(fmt::format("{}:{}", parsed.host, parsed.tls_port != 0 ? parsed.tls_port : parsed.port));
    return;
  }
  const auto result = registry_.register_endpoint(parsed, now);
  if (result.added > 0) metrics_.increment("registry_message", result.added, {{"action", "added"}});
  if (result.updated > 0) metrics_.increment("registry_message", result.updated, {{"action", "updated"}});
  if (result.added == 0 || parsed.endpoint_updated_at_ns <= 0) return;
  const auto unix_now = std::chrono::system_clock::now().time_since_epoch();
  const auto latency = unix_now - std::chrono::nanoseconds(parsed.endpoint_updated_at_ns);
  metrics_.observe_seconds("route_registration_latency", std::chrono::duration<double>(latency).count());
}

asio::awaitable<void> Bus::close() {
  on_closed_ = [] {};
  co_await nats_.close();
}

}  // namespace rivera::gorouter
