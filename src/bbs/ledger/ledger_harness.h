// A ledger over a database that a test can make fail, with notes of what it acknowledged and published.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "bbs/ledger/ledger.h"
#include "models/testing/testing.h"

namespace rivera::bbs {

class LedgerHarness {
 public:
  using Guids = std::set<std::string>;

  LedgerHarness(const sql::DatabaseConfig& config, Ledger::Limits limits)
      : database_(sql::Database::open(config)), store_(*database_, cipher_) {
    store_.open();
    store_.become_active();
    run(make(limits));
  }
  ~LedgerHarness() {
    run(destroy());
    work_.reset();
    thread_.join();
  }

  // Runs a coroutine on the home strand to its end, from the test's thread.
  template <typename T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(home_, base::within(std::chrono::seconds(90), "test step", std::move(work)), asio::use_future)
        .get();
  }

  // Desires an LRP and notes the result; returns the error's text, "" on success.
  std::string desire(const std::string& guid) { return run(desire_at_home(guid)); }
  std::future<std::string> begin_to_desire(const std::string& guid) {
    return asio::co_spawn(home_, desire_at_home(guid), asio::use_future);
  }
  // `writers` concurrent writers, each desiring `each` LRPs in sequence; returns when all have their answers.
  std::vector<std::future<void>> begin_load(const std::string& prefix, int writers, int each) {
    std::vector<std::future<void>> running;
    for (int writer = 0; writer < writers; ++writer) {
      auto load = desire_many(prefix + std::to_string(writer) + "-", each);
      running.push_back(asio::co_spawn(home_, std::move(load), asio::use_future));
    }
    return running;
  }
  // Tries until it is done. False if `limit` passes first.
  bool desire_eventually(const std::string& guid, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      const std::string error = desire(guid);
      // Created by an earlier attempt whose result was unknown.
      if (error.empty() || error == models::resource_exists().message()) return true;
      run(base::sleep_for(std::chrono::milliseconds(50)));
    }
    return false;
  }

  // Acknowledged and published guids are in the database and in memory, refused ones are in neither, and memory holds
  // what the database holds. `direct`: a connection to the database without faults.
  void expect_nothing_lost(const sql::DatabaseConfig& direct) {
    const auto database = sql::Database::open(direct);
    Guids stored;
    for (const Change& change : Store(*database, cipher_).load().records) {
      if (std::holds_alternative<Swap<DesiredLRPRecord>>(change)) stored.insert(subject_of(change));
    }
    const auto look = [](const Records& records) {
      Guids guids;
      for (const auto& [guid, process] : records.processes()) {
        if (process.desired) guids.insert(guid);
      }
      return guids;
    };
    EXPECT_EQ(run(ledger_->read(look)), stored);
    run(copy_notes());
    for (const std::string& guid : noted_.acknowledged) EXPECT_TRUE(stored.contains(guid)) << guid << " is lost";
    for (const std::string& guid : noted_.published) EXPECT_TRUE(stored.contains(guid)) << guid << " was published";
    for (const std::string& guid : noted_.refused) EXPECT_FALSE(stored.contains(guid)) << guid << " was refused";
  }

  std::size_t acknowledged() {
    run(copy_notes());
    return noted_.acknowledged.size();
  }
  bool is_committed(const std::string& guid) {
    return run(ledger_->read([guid](const Records& records) { return records.desired_lrp(guid) != nullptr; }));
  }
  // Forgets a guid that the test removes itself.
  void forget(const std::string& guid) { run(forget_at_home(guid)); }
  std::future<void> begin(asio::awaitable<void> work) {
    return asio::co_spawn(home_, std::move(work), asio::use_future);
  }
  Ledger& ledger() { return *ledger_; }

 private:
  struct Notes {
    Guids acknowledged, refused, doubtful, published;
  };

  asio::awaitable<void> make(Ledger::Limits limits) {
    Ledger::Options options;
    options.limits = limits;
    ledger_ = std::make_unique<Ledger>(home_, workers_, store_, clock_, std::move(options), base::Logger::discard());
    ledger_->on_commit([this](const Outcome& outcome) {
      for (const Event& event : outcome.events) {
        if (const auto* what = std::get_if<DesiredLRPEvent>(&event.what)) {
          if (what->after) notes_.published.insert(what->after->lrp.process_guid());
        }
      }
    });
    co_await ledger_->load();
  }
  asio::awaitable<void> destroy() {
    co_await ledger_->stop();
    ledger_.reset();
  }
  asio::awaitable<void> forget_at_home(std::string guid) {
    notes_.acknowledged.erase(guid);
    notes_.published.erase(guid);
    co_return;
  }
  asio::awaitable<void> copy_notes() {
    noted_ = notes_;
    co_return;
  }

  asio::awaitable<std::string> desire_at_home(std::string guid) {
    Ledger::Operation operation = [guid](Board& board, base::Timestamp now) {
      return board.desire_lrp(models::testing::a_desired_lrp(guid).with_instances(2), now, "");
    };
    std::string error;
    try {
      const Outcome outcome = co_await ledger_->run(std::move(operation));
      if (outcome.error) error = outcome.error->message();
      if (!outcome.error) notes_.acknowledged.insert(guid);
    } catch (const models::ModelError& e) {
      error = e.message();
      const bool is_refused = error.find("nothing was changed") != std::string::npos;
      if (!is_refused) notes_.doubtful.insert(guid);
      if (is_refused && !notes_.doubtful.contains(guid)) notes_.refused.insert(guid);
    }
    if (error.empty()) notes_.refused.erase(guid);
    co_return error;
  }
  asio::awaitable<void> desire_many(std::string prefix, int count) {
    for (int i = 0; i < count; ++i) co_await desire_at_home(prefix + std::to_string(i));
  }

  const ColumnCipher cipher_{{{"k1", "a secure passphrase"}}, "k1"};
  base::SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  Store store_;
  asio::io_context io_;
  asio::any_io_executor home_ = asio::make_strand(io_);
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::WorkerPool workers_{2};
  std::thread thread_{[this] { io_.run(); }};
  std::unique_ptr<Ledger> ledger_;
  Notes notes_;  // on the home strand
  Notes noted_;  // the test's copy
};

}  // namespace rivera::bbs
