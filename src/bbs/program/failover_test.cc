// Clients while the active BBS, or Locket, is killed or suspended: real programs, on every engine
// (docs/durability.md).
#include <csignal>
#include <thread>

#include "bbs/program/failover_load.h"
#include "bbs/program/program_harness.h"
#include "sql/database.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;

constexpr int kWriters = 4;
constexpr int kEnough = 60;  // acknowledgements before a fault

class Failover : public ProgramHarness, public testing::WithParamInterface<sql::Engine> {
 protected:
  Failover() : ProgramHarness(GetParam()) {}

  ~Failover() override { run(destroy_clients()); }

  net::HttpClientOptions options(std::chrono::nanoseconds request_timeout) {
    net::HttpClientOptions result = client_options();
    result.request_timeout = request_timeout;
    return result;
  }

  // Both BBSes up, the first active; clients writing.
  void start_all() {
    first_.wait_for("bbs.started");
    second_ = std::make_unique<base::TestProgram>(start_bbs(second_config_));
    second_->wait_for("bbs.locket-lock.started");
    writers_ = std::make_unique<Writers>(home_, options(1s),
                                         std::vector{address_of(first_config_), address_of(second_config_)});
    run(at_home([this] { writers_->start(kWriters); }));
    wait_until_acknowledged(first_config_);
  }

  void wait_until_acknowledged(const json::object& by) {
    run(poll([this, address = address_of(by)] { return writers_->acknowledged_by(address) >= kEnough; }));
  }

  std::set<std::string> listed_by(const json::object& config) {
    use(config);
    const auto response = call<models::DesiredLRPSchedulingInfosResponse>("/v1/desired_lrp_scheduling_infos/list",
                                                                          models::DesiredLRPsRequest());
    std::set<std::string> guids;
    for (const auto& lrp : response.desired_lrp_scheduling_infos()) {
      guids.insert(lrp.desired_lrp_key().process_guid());
    }
    return guids;
  }

  sql::DatabaseConfig store_config() {
    sql::DatabaseConfig config = config_.database;
    config.connection_string = std::string(database_keys("bbs").at("database_connection_string").as_string());
    return config;
  }

  std::set<std::string> stored() {
    std::set<std::string> guids;
    sql::Database::open(store_config())
        ->connect()
        .query("SELECT process_guid FROM desired_lrps", {},
               [&](const sql::Row& row) { guids.insert(std::string(row.text(0))); });
    return guids;
  }

  // Stops the first BBS; with SQLite between two transactions, since it would keep the file's lock within one
  // (docs/durability.md §6).
  void stop_first() {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    first_.send(SIGSTOP);
    while (GetParam() == sql::Engine::kSqlite && !can_write()) {
      if (std::chrono::steady_clock::now() > deadline) throw base::DeadlineExceeded("the database is never free");
      first_.send(SIGCONT);
      while (!can_write() && std::chrono::steady_clock::now() < deadline) {
      }
      first_.send(SIGSTOP);
    }
  }

  bool can_write() {
    sql::DatabaseConfig config = store_config();
    config.operation_timeout = 1ms;
    try {
      sql::Database::open(config)->connect().begin(sql::TransactionMode::kWrite).rollback();
      return true;
    } catch (const sql::Error&) {
      return false;
    }
  }

  // Nothing acknowledged is missing, nothing exists that was not requested, and memory and database agree.
  void check_records(const json::object& active, const std::set<std::string>& acknowledged,
                     const std::set<std::string>& asked) {
    const std::set<std::string> listed = listed_by(active);
    EXPECT_TRUE(std::includes(listed.begin(), listed.end(), acknowledged.begin(), acknowledged.end()))
        << "an acknowledged write is lost";
    EXPECT_TRUE(std::includes(asked.begin(), asked.end(), listed.begin(), listed.end()));
    EXPECT_EQ(stored(), listed);
  }

  template <typename Work>
  static asio::awaitable<void> at_home(Work work) {
    work();
    co_return;
  }
  template <typename Condition>
  static asio::awaitable<void> poll(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) throw base::DeadlineExceeded("the condition never held");
      co_await base::sleep_for(5ms);
    }
  }

  // Everything on a stream of events until it ends.
  asio::awaitable<void> follow_events(std::string address) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/v1/events/lrp_instances.r1";
    auto opening = events_client_->open(net::Endpoint::parse("https://" + address), std::move(request));
    const std::unique_ptr<net::HttpIncoming> incoming = co_await std::move(opening);
    std::array<char, 16384> buffer{};
    try {
      std::size_t count = 0;
      do {
        count = co_await incoming->read_some(buffer);
        event_bytes_ += count;
      } while (count > 0);
    } catch (const net::TransportError&) {
    }
    events_ended_ = true;
  }

  asio::awaitable<void> destroy_clients() {
    writers_.reset();
    persistent_.reset();
    events_.reset();
    events_client_.reset();
    co_return;
  }

  const std::string locket_address_ = free_address();
  base::TestProgram locket_ = start_locket(locket_address_);
  const json::object first_config_ = bbs_config("first", locket_address_);
  const json::object second_config_ = bbs_config("second", locket_address_);
  base::TestProgram first_ = start_bbs(first_config_);
  std::unique_ptr<base::TestProgram> second_;

  std::unique_ptr<Writers> writers_;
  std::unique_ptr<PersistentClients> persistent_;
  std::unique_ptr<net::HttpClient> events_client_;
  std::unique_ptr<base::TaskGroup> events_;
  std::atomic<std::size_t> event_bytes_ = 0;
  std::atomic<bool> events_ended_ = false;
};

TEST_P(Failover, NoAcknowledgedWriteIsLostWhenTheActiveBbsIsKilled) {
  start_all();
  const Instant killed = std::chrono::steady_clock::now();
  EXPECT_EQ(first_.end(SIGKILL), -SIGKILL);
  wait_until_acknowledged(second_config_);
  EXPECT_LT(writers_->first_acknowledged_by(address_of(second_config_)) - killed, kLockTtl + 2s);
  run(writers_->stop());
  check_records(second_config_, writers_->acknowledged(), writers_->asked());
}

TEST_P(Failover, AStoppedBbsThatComesBackNeitherAnswersNorWrites) {
  start_all();
  const std::string old_address = address_of(first_config_);
  persistent_ = std::make_unique<PersistentClients>(home_, options(60s), old_address);
  events_client_ = std::make_unique<net::HttpClient>(home_, options(60s));
  events_ = std::make_unique<base::TaskGroup>(home_, base::Logger::discard());
  run(at_home([&] {
    persistent_->start("before-", 4);
    events_->spawn("events", follow_events(old_address));
  }));
  run(poll([this] { return persistent_->exchanges().size() > 40u && event_bytes_ > 0; }));

  stop_first();
  const Instant stopped = std::chrono::steady_clock::now();
  wait_until_acknowledged(second_config_);
  const std::size_t published = event_bytes_;
  run(at_home([this] { persistent_->start("after-", 4); }));  // their requests wait in the stopped one's sockets
  const Instant resumed = std::chrono::steady_clock::now();
  first_.send(SIGCONT);
  EXPECT_EQ(first_.wait(20s), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - resumed, 5s);
  run(persistent_->join());
  run(poll([this] { return events_ended_.load(); }));
  run(writers_->stop());

  EXPECT_EQ(event_bytes_.load(), published) << "no event is sent any more";
  std::set<std::string> acknowledged = writers_->acknowledged(), asked = writers_->asked();
  for (const Exchange& exchange : persistent_->exchanges()) {
    if (exchange.sent > stopped) {
      EXPECT_NE(exchange.status, 200) << exchange.guid;
    } else if (!exchange.guid.empty()) {
      asked.insert(exchange.guid);
    }
    if (exchange.acknowledged) acknowledged.insert(exchange.guid);
  }
  check_records(second_config_, acknowledged, asked);
}

INSTANTIATE_TEST_SUITE_P(Engines, Failover,
                         testing::Values(sql::Engine::kSqlite, sql::Engine::kPostgres, sql::Engine::kMysql),
                         [](const auto& engine) { return std::string(sql::to_string(engine.param)); });

}  // namespace
}  // namespace rivera::bbs
