// A Locket for one test, with gRPC, TLS and a database file.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "clients/locket/locket_client.h"
#include "locket/locket.h"
#include "net/testing/test_certificates.h"

namespace rivera::locket {

constexpr auto kTestLimit = std::chrono::seconds(30);

// An event loop on its own thread. Its Locket can be stopped and started again on the same port and file.
class LocketHarness : public testing::Test {
 protected:
  LocketHarness() {
    config_.listen_address = "127.0.0.1:0";
    config_.tls = certificates_.server();
    config_.database.connection_string = (directory_.path() / "locket.db").string();
    start();
  }

  ~LocketHarness() override {
    client_.reset();
    stop();
    work_.reset();
    thread_.join();
  }

  // Runs a coroutine on the loop to its end, from the test's thread.
  template <typename T>
  T run(asio::awaitable<T> work) {
    auto limited = base::within(kTestLimit, "test step", std::move(work));
    return asio::co_spawn(io_, std::move(limited), asio::use_future).get();
  }

  void start() {
    locket_ = std::make_unique<Locket>(io_.get_executor(), workers_, config_, base::Logger::discard(),
                                       [this](int status) { stopped_.set_value(status); });
    run(locket_->start());
    config_.listen_address = locket_->address();  // for the next start
  }

  void stop() {
    if (!locket_) return;
    run(locket_->stop());
    run(destroy());
  }

  clients::LocketClient& client() {
    if (!client_) client_ = std::make_unique<clients::LocketClient>(io_.get_executor(), client_options());
    return *client_;
  }

  clients::LocketClientOptions client_options() {
    return {.address = config_.listen_address, .tls = certificates_.client()};
  }

  // Returns once `condition`, a coroutine that returns a bool, is true; fails the test after a time limit.
  template <typename Condition>
  void wait_until(Condition condition) {
    run(poll(std::move(condition)));
  }

  base::TemporaryDirectory directory_{"rivera-locket-test-"};
  net::TestCertificates certificates_;
  Config config_;
  std::promise<int> stopped_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::WorkerPool workers_{4};
  std::thread thread_{[this] { io_.run(); }};
  std::unique_ptr<Locket> locket_;
  std::unique_ptr<clients::LocketClient> client_;

 private:
  asio::awaitable<void> destroy() {
    locket_.reset();
    co_return;
  }

  template <typename Condition>
  static asio::awaitable<void> poll(Condition condition) {
    while (true) {
      const bool holds = co_await condition();
      if (holds) co_return;
      co_await base::sleep_for(std::chrono::milliseconds(20));
    }
  }
};

}  // namespace rivera::locket
