// Clients that write to BBSes while these fail, and record the answers. For failover_test.cc.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "models/testing/testing.h"
#include "net/http/http_client.h"

namespace rivera::bbs {

using Instant = std::chrono::steady_clock::time_point;

// One request, and how it ended.
struct Exchange {
  std::string guid;  // of the LRP it desires; "": it lists
  Instant sent;
  Instant ended;
  int status = 0;  // 0: no answer came
  bool acknowledged = false;
};

// Lives on one strand.
class FailoverClient {
 public:
  FailoverClient(asio::any_io_executor executor, net::HttpClientOptions options)
      : http_(executor, std::move(options)) {}

  asio::awaitable<Exchange> desire(std::string address, std::string guid) {
    models::DesireLRPRequest message;
    *message.mutable_desired_lrp() = models::testing::a_desired_lrp(guid).with_instances(1);
    auto posting = post(std::move(address), "/v1/desired_lrp/desire.r2", message.SerializeAsString());
    auto [exchange, body] = co_await std::move(posting);
    exchange.guid = std::move(guid);
    models::DesiredLRPLifecycleResponse answer;
    exchange.acknowledged = exchange.status == 200 && answer.ParseFromString(body) && !answer.has_error();
    co_return exchange;
  }

  asio::awaitable<Exchange> list(std::string address) {
    auto posting = post(std::move(address), "/v1/actual_lrps/list", "");
    auto [exchange, body] = co_await std::move(posting);
    co_return exchange;
  }

 private:
  asio::awaitable<std::pair<Exchange, std::string>> post(std::string address, std::string path, std::string body) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = std::move(path);
    request.body = std::move(body);
    Exchange exchange;
    exchange.sent = std::chrono::steady_clock::now();
    std::string answer;
    try {
      auto sending = http_.send(net::Endpoint::parse("https://" + address), std::move(request));
      net::HttpResponse response = co_await std::move(sending);
      exchange.status = response.status;
      answer = std::move(response.body);
    } catch (const net::TransportError&) {
    } catch (const base::DeadlineExceeded&) {
    }
    exchange.ended = std::chrono::steady_clock::now();
    co_return std::pair(std::move(exchange), std::move(answer));
  }

  net::HttpClient http_;
};

// Writes without a pause, each record once, to one of several BBSes: to the next one after a failure. Lives on one
// strand.
class Writers {
 public:
  Writers(asio::any_io_executor executor, net::HttpClientOptions options, std::vector<std::string> addresses)
      : client_(executor, std::move(options)),
        addresses_(std::move(addresses)),
        running_(executor, base::Logger::discard()) {}

  void start(int count) {
    for (int i = 0; i < count; ++i) running_.spawn("writer", write("w" + std::to_string(i)));
  }
  // Ends after the requests under way.
  asio::awaitable<void> stop() {
    stopping_ = true;
    co_await running_.join();
  }

  const std::set<std::string>& asked() const { return asked_; }
  const std::set<std::string>& acknowledged() const { return acknowledged_; }
  // How many were acknowledged at an address, and when the first was.
  int acknowledged_by(const std::string& address) const {
    const auto found = count_.find(address);
    return found == count_.end() ? 0 : found->second;
  }
  Instant first_acknowledged_by(const std::string& address) const { return first_.at(address); }

 private:
  asio::awaitable<void> write(std::string name) {
    std::size_t at = 0;
    for (int n = 0; !stopping_; ++n) {
      const std::string guid = name + "-" + std::to_string(n);
      const std::string address = addresses_[at];
      asked_.insert(guid);
      const Exchange exchange = co_await client_.desire(address, guid);
      if (exchange.acknowledged) {
        acknowledged_.insert(guid);
        if (count_[address]++ == 0) first_[address] = exchange.ended;
      } else {
        at = (at + 1) % addresses_.size();
        co_await base::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }

  FailoverClient client_;
  const std::vector<std::string> addresses_;
  std::set<std::string> asked_, acknowledged_;
  std::map<std::string, int> count_;
  std::map<std::string, Instant> first_;
  bool stopping_ = false;
  base::TaskGroup running_;
};

// Keeps reading from and writing to one BBS, whatever it answers, until its address refuses connections. Lives on one
// strand.
class PersistentClients {
 public:
  PersistentClients(asio::any_io_executor executor, net::HttpClientOptions options, std::string address)
      : client_(executor, std::move(options)),
        address_(std::move(address)),
        running_(executor, base::Logger::discard()) {}

  void start(const std::string& name, int count) {
    for (int i = 0; i < count; ++i) running_.spawn("persistent client", ask(name + std::to_string(i)));
  }
  asio::awaitable<void> join() { co_await running_.join(); }

  const std::vector<Exchange>& exchanges() const { return exchanges_; }

 private:
  asio::awaitable<void> ask(std::string name) {
    for (int n = 0;; ++n) {
      auto asking = n % 2 == 0 ? client_.desire(address_, name + "-" + std::to_string(n)) : client_.list(address_);
      Exchange exchange = co_await std::move(asking);
      exchanges_.push_back(exchange);
      if (exchange.status == 0) co_return;
    }
  }

  FailoverClient client_;
  const std::string address_;
  std::vector<Exchange> exchanges_;
  base::TaskGroup running_;
};

}  // namespace rivera::bbs
