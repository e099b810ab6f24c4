#include "net/nats/nats_client.h"

#include <algorithm>
#include <map>
#include <random>
#include <unordered_map>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/failure.h"
#include "base/ids.h"
#include "base/log/end_process.h"
#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/nats/nats_protocol.h"
#include "net/stream/connect_first.h"
#include "net/stream/endpoint.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

constexpr std::size_t kMaxServers = 256;  // ours and those that servers announce
constexpr std::size_t kFirstLineLimit = 1u << 20;
constexpr std::size_t kWriteSize = 256 * base::kKibibyte;  // bytes taken at a time from a long queue

std::mt19937& randomness() {
  thread_local std::mt19937 engine{std::random_device{}()};
  return engine;
}

struct Subscription {
  std::string subject;
  std::shared_ptr<const NatsClient::Handler> handler;
  std::uint64_t remaining = 0;  // messages; 0: no limit
};

// What the server says about itself in its first line.
struct ServerInfo {
  bool tls_required = false;
  bool tls_available = false;
  std::vector<std::string> others;
};

ServerInfo parse_info(std::string_view json_text) {
  boost::system::error_code ec;
  const auto value = boost::json::parse(boost::json::string_view(json_text.data(), json_text.size()), ec);
  if (ec || !value.is_object()) throw NatsProtocolError("NATS: the server's INFO is not a JSON object");
  const auto& object = value.get_object();
  const auto flag = [&](const char* key) {
    const auto* found = object.if_contains(key);
    return found != nullptr && found->is_bool() && found->get_bool();
  };
  ServerInfo info;
  info.tls_required = flag("tls_required");
  info.tls_available = flag("tls_available");
  if (const auto* urls = object.if_contains("connect_urls"); urls != nullptr && urls->is_array()) {
    for (const auto& url : urls->get_array()) {
      if (url.is_string()) info.others.emplace_back(url.get_string());
    }
  }
  return info;
}

}  // namespace

// The server does not accept our credentials.
struct NatsRefusal : NatsError {
  using NatsError::NatsError;
};

// A connection that has been greeted, with what the server sent beyond its greeting.
struct Session {
  std::string server;
  std::unique_ptr<Stream> stream;
  NatsParser parser;
};

class NatsClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, NatsClientOptions options, base::Logger logger)
      : executor_(executor),
        options_(std::move(options)),
        logger_(logger),
        output_changed_(executor),
        pong_(executor),
        ended_(executor),
        servers_(options_.servers) {
    std::shuffle(servers_.begin(), servers_.end(), randomness());
  }

  asio::awaitable<void> connect() {
    auto session = co_await try_every_server();
    adopt(std::move(session));
    running_ = true;
    asio::co_spawn(
        executor_, run(shared_from_this()),
        asio::bind_cancellation_slot(stop_.slot(), [self = shared_from_this()](std::exception_ptr unexpected) {
          if (unexpected && !self->closing_) {  // without a bus, and without trying to get it back
            base::end_process(self->logger_, "nats-client.failed", base::describe_failure(unexpected));
          }
          self->running_ = false;
          self->connected_ = false;
          self->ended_.notify_all();
        }));
  }

  bool is_connected() const { return connected_; }
  const std::string& server() const { return server_; }

  std::uint64_t subscribe(std::string subject, Handler handler, std::uint64_t max_messages) {
    if (!is_valid_nats_subject(subject)) throw std::invalid_argument("not a NATS subject: \"" + subject + "\"");
    const std::uint64_t sid = ++last_sid_;
    auto& subscription = subscriptions_[sid];
    subscription = {std::move(subject), std::make_shared<const Handler>(std::move(handler)), max_messages};
    if (connected_) {
      append_subscription(output_, sid, subscription);
      output_changed_.notify_all();
    }
    return sid;
  }

  void unsubscribe(std::uint64_t sid) {
    if (subscriptions_.erase(sid) == 0 || !connected_) return;
    append_nats_unsubscribe(output_, sid, 0);
    output_changed_.notify_all();
  }

  void publish(std::string_view subject, std::string_view payload, std::string_view reply) {
    if (!is_valid_nats_subject(subject) || (!reply.empty() && !is_valid_nats_subject(reply))) {
      throw std::invalid_argument(fmt::format("not a NATS subject: \"{}\"", subject));
    }
    if (closing_) throw NatsError("NATS: the client is closed");
    if (output_.size() + payload.size() > options_.output_limit) {
      throw NatsError(fmt::format("NATS: {} bytes are waiting to be sent; no room for more", output_.size()));
    }
    append_nats_publish(output_, subject, reply, payload);
    output_changed_.notify_all();
  }

  asio::awaitable<void> writable() {
    while (output_.size() > options_.output_limit / 2 && !closing_) co_await output_changed_.wait();
  }

  asio::awaitable<void> flush() {
    if (!connected_) throw NatsError("NATS: not connected");
    const std::uint64_t epoch = sessions_;
    output_ += "PING\r\n";
    output_changed_.notify_all();
    const std::uint64_t mine = ++pings_sent_;
    while (connected_ && sessions_ == epoch && pongs_ < mine) co_await pong_.wait();
    if (!connected_ || sessions_ != epoch) throw NatsError("NATS: the connection was lost");
  }

  asio::awaitable<void> close(std::shared_ptr<Impl> /*keeps us alive*/) {
    if (closing_) co_return;
    closing_ = true;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (connected_ && (!output_.empty() || writing_)) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) break;
      co_await output_changed_.wait_for(left);
    }
    abandon();
    while (running_) co_await ended_.wait();
    announce(NatsEvent::kClosed);
  }

  // Nothing is awaited: for the destructor.
  void abandon() {
    closing_ = true;
    output_changed_.notify_all();
    stop_.emit(asio::cancellation_type::terminal);
  }

  void forget_listener() { options_.on_event = nullptr; }

 private:
  // Speaks with one server after another until close() or a final refusal.
  asio::awaitable<void> run(std::shared_ptr<Impl> /*keeps us alive*/) {
    while (!closing_) {
      co_await serve_session();
      connected_ = false;
      session_.reset();
      pong_.notify_all();
      output_changed_.notify_all();
      if (closing_) co_return;
      announce(NatsEvent::kDisconnected);
      const bool again = co_await reconnect();
      if (!again) co_return;
      announce(NatsEvent::kReconnected);
    }
  }

  asio::awaitable<void> serve_session() {
    // The helpers may be resumed once more after we are gone: they keep what they use.
    const auto session = session_;
    base::TaskGroup helpers(executor_, logger_);
    helpers.spawn("nats-writer", write_loop(shared_from_this(), session));
    helpers.spawn("nats-pinger", ping_loop(shared_from_this(), session));
    std::exception_ptr cancelled;
    try {
      co_await read_loop(*session);
    } catch (const boost::system::system_error& e) {
      if (closing_) cancelled = std::current_exception();
      logger_.debug("nats-connection-broken", {{"error", e.what()}});
    } catch (const NatsProtocolError& e) {
      logger_.error("nats-protocol-error", {{"error", e.what()}, {"server", server_}});
    } catch (const std::exception& e) {
      logger_.error("nats-session-failed", {{"error", e.what()}, {"server", server_}});
    }
    session->stream->close();
    if (cancelled) std::rethrow_exception(cancelled);
    co_await helpers.stop();
    output_.clear();  // what the lost connection may or may not have carried is not sent twice
  }

  asio::awaitable<void> read_loop(Session& session) {
    for (;;) {
      while (auto frame = session.parser.next()) handle(*frame);
      const auto room = session.parser.space();
      const std::size_t n = co_await session.stream->read_some(room);
      if (n == 0) co_return;
      session.parser.commit(n);
    }
  }

  void handle(const NatsFrame& frame) {
    switch (frame.kind) {
      case NatsFrame::Kind::kMessage:
        deliver(frame);
        break;
      case NatsFrame::Kind::kPing:
        output_ += "PONG\r\n";
        output_changed_.notify_all();
        break;
      case NatsFrame::Kind::kPong:
        pings_out_ = 0;
        ++pongs_;
        pong_.notify_all();
        break;
      case NatsFrame::Kind::kInfo:
        learn_servers(parse_info(frame.text).others);
        break;
      case NatsFrame::Kind::kError:
        logger_.error("nats-server-error", {{"error", frame.text}, {"server", server_}});
        break;
      case NatsFrame::Kind::kOk:
        break;
    }
  }

  void deliver(const NatsFrame& frame) {
    const auto found = subscriptions_.find(frame.sid);
    if (found == subscriptions_.end()) return;
    const auto handler = found->second.handler;  // the call may end the subscription
    if (found->second.remaining > 0 && --found->second.remaining == 0) subscriptions_.erase(found);
    try {
      (*handler)({frame.subject, frame.reply, frame.payload});
    } catch (const std::exception& e) {
      logger_.error("nats-handler-failed", {{"subject", frame.subject}, {"error", e.what()}});
    }
  }

  asio::awaitable<void> write_loop(std::shared_ptr<Impl> /*keeps us alive*/, std::shared_ptr<Session> session) {
    std::string chunk;
    for (;;) {
      while (output_.empty()) co_await output_changed_.wait();
      if (output_.size() <= kWriteSize) {
        chunk.swap(output_);
      } else {
        chunk.assign(output_, 0, kWriteSize);
        output_.erase(0, kWriteSize);
      }
      writing_ = true;
      error_code failed;
      try {
        co_await session->stream->write(chunk);
      } catch (const boost::system::system_error& e) {
        failed = e.code();
      }
      writing_ = false;
      chunk.clear();
      output_changed_.notify_all();
      if (failed) {
        session->stream->close();  // ends the reader, and with it the session
        co_return;
      }
    }
  }

  asio::awaitable<void> ping_loop(std::shared_ptr<Impl> /*keeps us alive*/, std::shared_ptr<Session> session) {
    for (;;) {
      co_await base::sleep_for(options_.ping_interval);
      if (++pings_out_ > options_.max_pings_out) {
        logger_.error("nats-connection-stale", {{"server", server_}});
        session->stream->close();
        co_return;
      }
      ++pings_sent_;
      output_ += "PING\r\n";
      output_changed_.notify_all();
    }
  }

  // False: every server refuses us permanently.
  asio::awaitable<bool> reconnect() {
    for (;;) {
      std::uniform_real_distribution<double> part(0, 1);
      const auto jitter = std::chrono::duration<double, std::nano>(
          static_cast<double>(options_.reconnect_jitter.count()) * part(randomness()));
      co_await base::sleep_for(options_.reconnect_wait + std::chrono::duration_cast<std::chrono::nanoseconds>(jitter));
      std::string failure;
      try {
        auto session = co_await try_every_server();
        adopt(std::move(session));
        co_return true;
      } catch (const NatsError& e) {
        failure = e.what();
      }
      logger_.debug("nats-reconnect-failed", {{"error", failure}});
      if (servers_.empty()) {
        announce(NatsEvent::kClosed);
        co_return false;
      }
    }
  }

  asio::awaitable<std::unique_ptr<Session>> try_every_server() {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    std::string failure = "no servers are configured";
    const auto candidates = servers_;
    for (const std::string& candidate : candidates) {
      try {
        auto session = co_await base::within(options_.connect_timeout, "connecting to " + candidate, greet(candidate));
        refusals_.erase(candidate);
        co_return session;
      } catch (const base::DeadlineExceeded& e) {
        failure = e.what();
      } catch (const NatsProtocolError& e) {
        failure = e.what();
      } catch (const NatsRefusal& e) {
        failure = e.what();
        note_refusal(candidate);
      } catch (const NatsError& e) {
        failure = e.what();
      } catch (const std::invalid_argument& e) {
        failure = e.what();
      } catch (const boost::system::system_error& e) {
        if (closing_ || base::is_cancelled(cancellation)) throw;
        failure = fmt::format("{}: {}", candidate, e.code().message());
      }
    }
    throw NatsError("cannot connect to NATS: " + failure);
  }

  // At the first of the server's addresses that greets us.
  asio::awaitable<std::unique_ptr<Session>> greet(std::string server) {
    const Endpoint endpoint = Endpoint::parse("http://" + server);
    PrepareSocket<std::unique_ptr<Session>> prepare = [self = shared_from_this(), server,
                                                       host = endpoint.host](TcpSocket socket) {
      return self->greet_on(self, std::move(socket), server, host);
    };
    auto session = co_await connect_first<std::unique_ptr<Session>>(endpoint.host, endpoint.port,
                                                                    options_.connect_timeout, prepare);
    co_return session;
  }

  // Upgrades to TLS if asked to, introduces us, and waits for the server's consent.
  asio::awaitable<std::unique_ptr<Session>> greet_on(std::shared_ptr<Impl> /*keeps us alive*/, TcpSocket socket,
                                                     std::string server, std::string host) {
    std::string received;
    const std::size_t line = co_await asio::async_read_until(socket, asio::dynamic_buffer(received, kFirstLineLimit),
                                                             '\n', asio::use_awaitable);
    NatsParser parser(options_.payload_limit);
    parser.feed(std::string_view(received).substr(0, line));
    const auto first = parser.next();
    if (!first || first->kind != NatsFrame::Kind::kInfo) throw NatsProtocolError("NATS: " + server + " sent no INFO");
    const ServerInfo info = parse_info(first->text);
    learn_servers(info.others);
    if (options_.tls && !info.tls_required && !info.tls_available) throw NatsError(server + " does not speak TLS");
    if (!options_.tls && info.tls_required) throw NatsError(server + " requires TLS");

    std::unique_ptr<Stream> stream;
    if (options_.tls) {
      stream = co_await connect_tls(std::move(socket), *options_.tls, std::move(host), options_.connect_timeout);
    } else {
      stream = make_stream(std::move(socket));
      parser.feed(std::string_view(received).substr(line));
    }
    auto session = std::unique_ptr<Session>(new Session{std::move(server), std::move(stream), std::move(parser)});
    const std::string hello = introduction() + "PING\r\n";
    co_await session->stream->write(hello);
    co_await await_consent(*session);
    co_return session;
  }

  asio::awaitable<void> await_consent(Session& session) {
    for (;;) {
      while (auto frame = session.parser.next()) {
        if (frame->kind == NatsFrame::Kind::kPong) co_return;
        if (frame->kind == NatsFrame::Kind::kError) refused(session.server, std::string(frame->text));
      }
      const auto room = session.parser.space();
      const std::size_t n = co_await session.stream->read_some(room);
      if (n == 0) throw NatsError(session.server + " closed the connection");
      session.parser.commit(n);
    }
  }

  [[noreturn]] static void refused(const std::string& server, const std::string& reason) {
    const std::string text = server + " refused us: " + reason;
    if (reason.starts_with("Authorization")) throw NatsRefusal(text);
    throw NatsError(text);
  }

  // A server that has refused our credentials twice in a row is not asked again.
  void note_refusal(const std::string& server) {
    if (running_ && ++refusals_[server] >= 2) std::erase(servers_, server);
  }

  std::string introduction() const {
    boost::json::object hello;
    hello["verbose"] = false;
    hello["pedantic"] = false;
    if (!options_.user.empty()) {
      hello["user"] = options_.user;
      hello["pass"] = options_.password;
    }
    hello["tls_required"] = options_.tls.has_value();
    hello["name"] = options_.name;
    hello["lang"] = "c++";
    hello["version"] = "1";
    hello["protocol"] = 1;
    hello["echo"] = true;
    hello["headers"] = false;
    hello["no_responders"] = false;
    return "CONNECT " + boost::json::serialize(hello) + "\r\n";
  }

  // Makes `session` the current one: subscriptions first, then whatever was published meanwhile.
  void adopt(std::unique_ptr<Session> session) {
    session_ = std::move(session);
    server_ = session_->server;
    ++sessions_;
    pings_out_ = 0;
    pings_sent_ = 0;
    pongs_ = 0;
    connected_ = true;
    std::string renewed;
    for (const auto& [sid, subscription] : subscriptions_) append_subscription(renewed, sid, subscription);
    output_.insert(0, renewed);
  }

  static void append_subscription(std::string& out, std::uint64_t sid, const Subscription& subscription) {
    append_nats_subscribe(out, subscription.subject, sid);
    if (subscription.remaining > 0) append_nats_unsubscribe(out, sid, subscription.remaining);
  }

  void learn_servers(const std::vector<std::string>& others) {
    for (const std::string& other : others) {
      if (servers_.size() >= kMaxServers) return;
      if (std::find(servers_.begin(), servers_.end(), other) == servers_.end()) servers_.push_back(other);
    }
  }

  void announce(NatsEvent event) {
    if (options_.on_event) options_.on_event(event, server_);
  }

  asio::any_io_executor executor_;
  NatsClientOptions options_;
  base::Logger logger_;
  base::Condition output_changed_;
  base::Condition pong_;
  base::Condition ended_;
  std::vector<std::string> servers_;
  std::map<std::string, int> refusals_;
  std::map<std::uint64_t, Subscription> subscriptions_;  // in order: SUBs are renewed as they were made
  std::shared_ptr<Session> session_;
  std::string server_;
  std::string output_;  // queued, not yet given to the stream
  asio::cancellation_signal stop_;
  std::uint64_t last_sid_ = 0;
  std::uint64_t sessions_ = 0;
  std::uint64_t pings_sent_ = 0;
  std::uint64_t pongs_ = 0;
  int pings_out_ = 0;
  bool connected_ = false;
  bool running_ = false;
  bool writing_ = false;
  bool closing_ = false;
};

NatsClient::NatsClient(asio::any_io_executor executor, NatsClientOptions options, base::Logger logger)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(logger))) {}

NatsClient::~NatsClient() {
  impl_->forget_listener();
  impl_->abandon();
}

asio::awaitable<void> NatsClient::connect() { return impl_->connect(); }
bool NatsClient::is_connected() const { return impl_->is_connected(); }
std::string NatsClient::server() const { return impl_->server(); }

NatsSubscription NatsClient::subscribe(std::string subject, Handler handler, std::uint64_t max_messages) {
  const std::uint64_t sid = impl_->subscribe(std::move(subject), std::move(handler), max_messages);
  return NatsSubscription([weak = std::weak_ptr<Impl>(impl_), sid] {
    if (auto impl = weak.lock()) impl->unsubscribe(sid);
  });
}

void NatsClient::publish(std::string_view subject, std::string_view payload, std::string_view reply) {
  impl_->publish(subject, payload, reply);
}

asio::awaitable<void> NatsClient::writable() { return impl_->writable(); }

asio::awaitable<void> NatsClient::flush(std::chrono::nanoseconds timeout) {
  return base::within(timeout, "flushing to NATS", impl_->flush());
}

asio::awaitable<std::string> NatsClient::request(std::string subject, std::string payload,
                                                 std::chrono::nanoseconds timeout) {
  struct Answer {
    explicit Answer(asio::any_io_executor executor) : arrived(std::move(executor)) {}
    base::Condition arrived;
    std::optional<std::string> payload;
  };
  auto answer = std::make_shared<Answer>(co_await asio::this_coro::executor);
  const std::string inbox = "_INBOX." + base::new_guid();
  const auto subscription = subscribe(
      inbox,
      [answer](const NatsMessage& message) {
        answer->payload.emplace(message.payload);
        answer->arrived.notify_all();
      },
      1);
  publish(subject, payload, inbox);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!answer->payload) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) throw base::DeadlineExceeded(base::deadline_message("NATS request " + subject, timeout));
    co_await answer->arrived.wait_for(left);
  }
  co_return std::move(*answer->payload);
}

asio::awaitable<void> NatsClient::close() { return impl_->close(impl_); }

}  // namespace rivera::net
