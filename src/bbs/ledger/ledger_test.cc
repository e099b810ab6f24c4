#include "bbs/ledger/ledger.h"

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <openssl/rand.h>

#include "base/files.h"
#include "base/log/end_process.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    sql::DatabaseConfig config;
    config.connection_string = (directory_.path() / "bbs.db").string();
    database_ = sql::Database::open(config);
    store_ = std::make_unique<Store>(*database_, cipher_);
    store_->open();
    store_->become_active();
    run(make());
  }
  ~LedgerTest() override {
    run(destroy());
    work_.reset();
    thread_.join();
  }

  template <typename T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(home_, base::within(60s, "test step", std::move(work)), asio::use_future).get();
  }

  static Ledger::Operation desire(const std::string& guid) {
    return [guid](Board& board, base::Timestamp now) {
      return board.desire_lrp(models::testing::a_desired_lrp(guid).with_instances(2), now, "");
    };
  }

  bool is_committed(const std::string& guid) {
    return run(ledger_->read([guid](const Records& records) { return records.desired_lrp(guid) != nullptr; }));
  }

  asio::awaitable<void> make() {
    Ledger::Options options;
    options.give_up = [this](const std::string&) { gave_up_ = true; };
    ledger_ = std::make_unique<Ledger>(home_, workers_, *store_, clock_, std::move(options), base::Logger::discard());
    ledger_->on_commit([this](const Outcome& outcome) { published_ += outcome.events.size(); });
    co_await ledger_->load();
  }
  asio::awaitable<void> destroy() {
    co_await ledger_->stop();
    ledger_.reset();
  }

  base::TemporaryDirectory directory_;
  const ColumnCipher cipher_{{{"k1", "secret"}}, "k1"};
  base::SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<Store> store_;
  asio::io_context io_;
  asio::any_io_executor home_ = asio::make_strand(io_);
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::WorkerPool workers_{2};
  std::thread thread_{[this] { io_.run(); }};
  std::unique_ptr<Ledger> ledger_;
  std::size_t published_ = 0;  // on the home strand
  std::atomic<bool> gave_up_ = false;
};

TEST_F(LedgerTest, WhatIsAnsweredIsThereAfterARestart) {
  EXPECT_FALSE(run(ledger_->run(desire("p"))).error);
  run(destroy());
  run(make());
  EXPECT_TRUE(is_committed("p"));
  EXPECT_EQ(run(ledger_->read([](const Records& records) { return records.actual_lrp_count(); })), 2u);
}

TEST_F(LedgerTest, PublishesWhatIsCommitted) {
  run(ledger_->run(desire("p")));
  EXPECT_EQ(run(ledger_->read([this](const Records&) { return published_; })), 5u)
      << "desired, and two instances on two hubs";
}

// Many concurrent callers, each of which must see its own write.
TEST_F(LedgerTest, ConcurrentCallersAreCommittedInGroups) {
  std::vector<std::future<Outcome>> answers;
  for (int i = 0; i < 200; ++i) {
    answers.push_back(asio::co_spawn(io_, ledger_->run(desire("p" + std::to_string(i))), asio::use_future));
  }
  for (auto& answer : answers) EXPECT_FALSE(answer.get().error);
  EXPECT_EQ(run(ledger_->read([](const Records& records) { return records.desired_lrp_count(); })), 200u);
  const auto transactions = database_->take_statistics().queries;
  EXPECT_GT(transactions, 0);
  EXPECT_EQ(store_->load().records.size(), 600u);
}

// Runs operations in one turn of the home strand, so that each builds on the previous before anything is durable.
asio::awaitable<std::vector<std::optional<models::Error::Type>>> all_at_once(
    Ledger& ledger, std::vector<Ledger::Operation> operations) {
  const auto executor = co_await asio::this_coro::executor;
  std::vector<std::shared_ptr<std::optional<models::Error::Type>>> results;
  base::TaskGroup group(executor, base::Logger::discard());
  for (Ledger::Operation& operation : operations) {
    auto result = std::make_shared<std::optional<models::Error::Type>>();
    results.push_back(result);
    auto one = [](Ledger& l, Ledger::Operation op,
                  std::shared_ptr<std::optional<models::Error::Type>> into) -> asio::awaitable<void> {
      try {
        const Outcome outcome = co_await l.run(std::move(op));
        if (outcome.error) *into = outcome.error->type();
      } catch (const models::ModelError& e) {
        *into = e.type();
      }
    };
    group.spawn("one", one(ledger, std::move(operation), result));
  }
  co_await group.join();
  std::vector<std::optional<models::Error::Type>> answers;
  for (const auto& result : results) answers.push_back(*result);
  co_return answers;
}

TEST_F(LedgerTest, AFailedTransactionIsTakenBackWithAllThatStoodOnIt) {
  run(ledger_->run(desire("kept")));
  database_->connect().execute("ALTER TABLE desired_lrps RENAME TO elsewhere");
  const auto answers = run(all_at_once(*ledger_, {desire("lost"), desire("lost"), desire("lost-too")}));
  ASSERT_EQ(answers.size(), 3u);
  for (const auto& answer : answers) EXPECT_EQ(answer, models::Error::Unrecoverable) << "every caller gets the error";
  EXPECT_TRUE(gave_up_);
  EXPECT_FALSE(is_committed("lost"));

  database_->connect().execute("ALTER TABLE elsewhere RENAME TO desired_lrps");
  EXPECT_FALSE(run(ledger_->run(desire("lost"))).error) << "the Board has forgotten the failed attempt";
  EXPECT_EQ(run(ledger_->run(desire("kept"))).error->type(), models::Error::ResourceExists);
}

TEST_F(LedgerTest, ARefusalThatRestsOnAnUncommittedChangeWaitsForIt) {
  const auto answers = run(all_at_once(*ledger_, {desire("p"), desire("p")}));
  EXPECT_EQ(answers[0], std::nullopt);
  EXPECT_EQ(answers[1], models::Error::ResourceExists);
  EXPECT_TRUE(is_committed("p"));
}

TEST_F(LedgerTest, AValueTooLongForItsColumnFailsAlone) {
  const auto answers = run(all_at_once(*ledger_, {desire("fine"), desire(std::string(256, 'x'))}));
  EXPECT_EQ(answers[0], std::nullopt);
  EXPECT_EQ(answers[1], models::Error::InvalidRequest);
  EXPECT_TRUE(is_committed("fine"));
  EXPECT_FALSE(is_committed(std::string(256, 'x')));
}

TEST_F(LedgerTest, AnotherTermEndsThisOne) {
  Store other(*database_, cipher_);
  other.become_active();
  EXPECT_THROW(run(ledger_->run(desire("p"))), models::ModelError);
  EXPECT_TRUE(gave_up_);
  EXPECT_FALSE(is_committed("p"));
  EXPECT_TRUE(store_->load().records.empty());
}

// A source of randomness that fails: no column can be encrypted any more.
void break_the_cipher() {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  static const RAND_METHOD broken{nullptr, [](unsigned char*, int) { return 0; }, nullptr, nullptr, nullptr, nullptr};
  RAND_set_rand_method(&broken);
#pragma GCC diagnostic pop
}

using LedgerDeathTest = LedgerTest;

// Rather than hold the lock and refuse every write.
TEST_F(LedgerDeathTest, AnUnexpectedFailureOfTheWriterEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto write = [this] {
    run(ledger_->run(desire("before")));
    Ledger::Operation operation = [](Board& board, base::Timestamp now) {
      Outcome outcome = desire("after")(board, now);
      break_the_cipher();
      return outcome;
    };
    run(ledger_->run(std::move(operation)));
  };
  EXPECT_EXIT(write(), testing::ExitedWithCode(base::kBrokenExitStatus),
              "write-batches.failed: encrypting a column failed");
}

TEST_F(LedgerDeathTest, AFailureWhileOutcomesArePublishedEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto write = [this] {
    ledger_->on_commit([](const Outcome&) { throw std::bad_alloc(); });
    run(ledger_->run(desire("p")));
  };
  EXPECT_EXIT(write(), testing::ExitedWithCode(base::kBrokenExitStatus), "commit-batches.failed: std::bad_alloc");
}

}  // namespace
}  // namespace rivera::bbs
