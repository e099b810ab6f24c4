#include "route_emitter/broadcast_schedule.h"

#include <random>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "base/ids.h"

namespace rivera::route_emitter {
namespace {

constexpr auto kGreetInterval = std::chrono::seconds(1);

}  // namespace

std::optional<std::chrono::seconds> parse_router_interval(std::string_view text) {
  boost::system::error_code ec;
  const auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), ec);
  if (ec || !value.is_object()) return std::nullopt;
  const auto* member = value.get_object().if_contains("minimumRegisterIntervalInSeconds");
  if (member == nullptr || !member->is_int64()) return std::nullopt;
  const auto seconds = member->get_int64();
  if (seconds <= 0 || seconds > std::int64_t{24} * 3600) return std::nullopt;
  return std::chrono::seconds(seconds);
}

BroadcastSchedule::BroadcastSchedule(asio::any_io_executor executor, net::NatsClient& nats, std::string consumer,
                                     double jitter_factor, std::function<void()> broadcast, base::Logger logger)
    : nats_(nats),
      consumer_(std::move(consumer)),
      jitter_factor_(jitter_factor),
      broadcast_(std::move(broadcast)),
      logger_(logger.session("scheduler", {{"consumer", consumer_}})),
      changed_(std::move(executor)) {}

void BroadcastSchedule::on_router_message(const net::NatsMessage& message) {
  const bool first = !answered_;
  answered_ = true;
  if (const auto interval = parse_router_interval(message.payload)) {
    interval_ = *interval;
    logger_.info("received-external-service-registry-interval", {{"seconds", interval_.count()}});
  } else {
    // A router with a start delay below a second sends zero: it has no preference.
    logger_.info("no-registry-interval-received", {{"kept-seconds", interval_.count()}});
  }
  if (!first) due_ = true;
  changed_.notify_all();
}

void BroadcastSchedule::broadcast_soon() {
  due_ = answered_;
  changed_.notify_all();
}

asio::awaitable<void> BroadcastSchedule::greet() {
  const std::string inbox = base::new_guid();
  const auto answers = nats_.subscribe(
      inbox, [this](const net::NatsMessage& m) { on_router_message(m); }, 1);
  while (!answered_) {
    logger_.info("greeting-external-service");
    try {
      nats_.publish(consumer_ + ".greet", "", inbox);
    } catch (const net::NatsError& e) {
      logger_.error("greeting-failed", {{"error", e.what()}});
    }
    const auto deadline = std::chrono::steady_clock::now() + kGreetInterval;
    while (!answered_ && std::chrono::steady_clock::now() < deadline) {
      co_await changed_.wait_for(deadline - std::chrono::steady_clock::now());
    }
  }
}

std::chrono::nanoseconds BroadcastSchedule::jitter() const {
  thread_local std::mt19937 engine{std::random_device{}()};
  std::uniform_real_distribution<double> part(0, jitter_factor_);
  const std::chrono::duration<double> wait = interval_ * part(engine);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(wait);
}

asio::awaitable<void> BroadcastSchedule::run() {
  const auto starts =
      nats_.subscribe(consumer_ + ".start", [this](const net::NatsMessage& m) { on_router_message(m); });
  co_await greet();
  for (;;) {
    const auto deadline = std::chrono::steady_clock::now() + interval_;
    while (!due_ && std::chrono::steady_clock::now() < deadline) {
      co_await changed_.wait_for(deadline - std::chrono::steady_clock::now());
    }
    if (due_) co_await base::sleep_for(jitter());
    due_ = false;
    broadcast_();
  }
}

}  // namespace rivera::route_emitter
