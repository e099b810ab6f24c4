// A real BBS for a test, behind mutual TLS and over a database file. Only the lock is always held, and the test
// provides the cells.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "bbs/program/active_bbs.h"
#include "net/http/http_client.h"
#include "net/testing/test_certificates.h"

namespace rivera::bbs {

// The cells that a test sets. Used on the home strand.
class GivenCells final : public Cells {
 public:
  asio::awaitable<std::vector<models::CellPresence>> list() override {
    ++listed;
    co_return present;
  }
  asio::awaitable<std::optional<models::CellPresence>> find(std::string cell_id) override {
    for (const auto& cell : present) {
      if (cell.cell_id() == cell_id) co_return cell;
    }
    co_return std::nullopt;
  }
  std::vector<models::CellPresence> present;
  int listed = 0;  // how often
};

class BbsHarness : public testing::Test {
 protected:
  static constexpr auto kTestTimeout = std::chrono::seconds(60);

  BbsHarness() {
    config_.listen_address = "127.0.0.1:0";
    config_.tls = certificates_.server();
    config_.database.connection_string = (directory_.path() / "bbs.db").string();
    config_.encryption_keys = {{"k1", "a secure passphrase"}};
    config_.active_key_label = "k1";
    config_.auctioneer.url = "http://127.0.0.1:1";  // refuses connections
    config_.communication_timeout = std::chrono::seconds(5);
  }

  ~BbsHarness() override {
    client_.reset();
    if (active_) stop();
    work_.reset();
    thread_.join();
  }

  // Runs a coroutine on the home strand to its end, from the test's thread.
  template <typename T>
  T run(asio::awaitable<T> work) {
    auto limited = base::within(kTestTimeout, "test step", std::move(work));
    return asio::co_spawn(home_, std::move(limited), asio::use_future).get();
  }

  void start() {
    loggregator_ = std::make_unique<clients::LoggregatorClient>(config_.loggregator, base::Logger::discard());
    metrics_ = std::make_unique<base::Metrics>("bbs", loggregator_.get());
    probe_ = std::make_unique<BbsProbe>(*metrics_, config_.advanced_metrics);
    database_ = sql::Database::open(config_.database);
    cipher_ = std::make_unique<ColumnCipher>(config_.encryption_keys, config_.active_key_label);
    store_ = std::make_unique<Store>(*database_, *cipher_);
    store_->open();
    run(start_at_home());
    address_ = active_->address();
  }

  void stop() { run(stop_at_home()); }

  asio::awaitable<net::HttpResponse> send(net::HttpRequest request) {
    if (!client_) client_ = std::make_unique<net::HttpClient>(home_, client_options());
    auto sending = client_->send(net::Endpoint::parse("https://" + address_), std::move(request));
    co_return co_await std::move(sending);
  }

  net::HttpResponse post(std::string path, std::string body) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = std::move(path);
    request.body = std::move(body);
    request.headers.set("Content-Type", "application/x-protobuf");
    return run(send(std::move(request)));
  }

  // Posts a message and reads the answer, which must have the protocol's form.
  template <typename Response, typename Request>
  Response call(std::string path, Request request) {
    const net::HttpResponse response = post(std::move(path), request.SerializeAsString());
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/x-protobuf");
    Response message;
    EXPECT_TRUE(message.ParseFromString(response.body));
    return message;
  }

  net::HttpClientOptions client_options() {
    net::HttpClientOptions options;
    options.tls = net::TlsContext::client(certificates_.client());
    options.connect_timeout = std::chrono::seconds(60);  // many handshakes under a sanitizer are slow
    options.request_timeout = std::chrono::seconds(60);
    return options;
  }

  base::TemporaryDirectory directory_{"rivera-bbs-test-"};
  net::TestCertificates certificates_;
  Config config_;
  base::SystemClock clock_;
  std::atomic<bool> has_lock_ = true;
  std::atomic<bool> gave_up_ = false;
  GivenCells cells_;

  asio::io_context io_;
  asio::any_io_executor home_ = asio::make_strand(io_);
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::WorkerPool workers_{2};
  std::thread thread_{[this] { io_.run(); }};

  std::unique_ptr<clients::LoggregatorClient> loggregator_;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<BbsProbe> probe_;
  std::unique_ptr<AccessLog> access_log_;  // made by a test; null: no access log
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<ColumnCipher> cipher_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ActiveBbs> active_;
  std::unique_ptr<net::HttpClient> client_;
  std::string address_;

 private:
  asio::awaitable<void> start_at_home() {
    ActiveBbs::Dependencies dependencies{home_,
                                         workers_,
                                         *store_,
                                         cells_,
                                         clock_,
                                         *probe_,
                                         base::Logger::discard(),
                                         [this] { return has_lock_.load(); },
                                         [this](const std::string&) { gave_up_ = true; },
                                         *loggregator_,
                                         access_log_.get()};
    active_ = std::make_unique<ActiveBbs>(std::move(dependencies), config_);
    co_await active_->start();
  }

  asio::awaitable<void> stop_at_home() {
    co_await active_->stop(std::chrono::seconds(5));
    active_.reset();
  }
};

}  // namespace rivera::bbs
