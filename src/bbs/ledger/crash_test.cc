// A BBS killed at any point between decision, commit, publication and answer: whatever was acknowledged, read or
// published before is present after the restart (docs/spec/bbs.md §9.6, invariant 1).
//
// The child is a process with the real ledger, store and event hub under load. It reports on a pipe what it is about to
// do, the answers, what a reader saw and what a subscriber received. It kills itself at a chosen point, or is killed
// from outside at a random time.
#include <map>
#include <random>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/work/wait.h"
#include "bbs/events/event_hub.h"
#include "bbs/ledger/ledger.h"
#include "models/testing/testing.h"
#include "net/sse/sse.h"
#include "sql/testing/test_servers.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;
using sql::Engine;

// The life of each process guid, one step after the other; a later step is visible in what is stored.
enum Step { kNothing, kDesired, kClaimed, kRunning, kUpdated, kRemoved };

// Where the child kills itself.
enum class Point { kFromOutside, kDecided, kCommitted, kPublished, kAnswered };

struct Plan {
  Point point = Point::kFromOutside;
  int countdown = 0;  // kills at this occurrence of the point
  std::string name;   // of this child's guids
};

Step step_of(const DesiredLRPPtr& desired, const ActualLRPPtr& actual) {
  if (!desired) return actual ? kRemoved : kNothing;
  if (!desired->lrp.annotation().empty()) return kUpdated;
  if (actual && is_in_state(*actual, "RUNNING")) return kRunning;
  return actual && is_in_state(*actual, "CLAIMED") ? kClaimed : kDesired;
}

Outcome take_step(Board& board, base::Timestamp now, const std::string& guid, Step step) {
  const auto instance = models::actual_lrp_instance_key("instance", "cell");
  switch (step) {
    case kDesired:
      return board.desire_lrp(models::testing::a_desired_lrp(guid), now, "");
    case kClaimed: {
      models::ClaimActualLRPRequest request;
      request.set_process_guid(guid);
      *request.mutable_actual_lrp_instance_key() = instance;
      return board.claim(request, now);
    }
    case kRunning: {
      models::StartActualLRPRequest request;
      *request.mutable_actual_lrp_key() = board.records().lrps(guid, 0).ordinary()->lrp.actual_lrp_key();
      *request.mutable_actual_lrp_instance_key() = instance;
      return board.start(request, now);
    }
    case kUpdated: {
      models::UpdateDesiredLRPRequest request;
      request.set_process_guid(guid);
      request.mutable_update()->set_annotation("updated");
      return board.update_desired_lrp(request, now, "");
    }
    default:
      return board.remove_desired_lrp(guid, "");
  }
}

// Runs in the child, on one thread, until it is killed.
class Child {
 public:
  Child(const sql::DatabaseConfig& config, Plan plan, int output)
      : plan_(std::move(plan)), output_(output), database_(sql::Database::open(config)), store_(*database_, cipher_) {
    store_.open();
    store_.become_active();
  }

  void run() {
    asio::co_spawn(home_, live(), asio::use_future);
    io_.run();
  }

 private:
  void say(const std::string& what, const std::string& guid, Step step) {
    const std::string line = what + " " + guid + " " + std::to_string(step) + "\n";
    if (write(output_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
  }
  void pass(Point point) {
    if (point == plan_.point && --plan_.countdown < 0) kill(getpid(), SIGKILL);
  }

  asio::awaitable<void> live() {
    ledger_.on_commit([this](const Outcome& outcome) {
      pass(Point::kCommitted);
      hub_.publish(outcome.events);
      pass(Point::kPublished);
    });
    co_await ledger_.load();
    source_ = hub_.subscribe(home_, {{Hub::kDesired, Hub::kInstance}, "", EventForm::kCurrent}, "");
    loops_.spawn("listen", listen());
    loops_.spawn("read", read_all());
    for (int writer = 0; writer < 6; ++writer) loops_.spawn("write", write_on(plan_.name + std::to_string(writer)));
    co_await loops_.join();
  }

  asio::awaitable<void> write_on(std::string writer) {
    for (int i = 0;; ++i) {
      const std::string guid = writer + "-" + std::to_string(i);
      for (int step = kDesired; step <= kRemoved; ++step) co_await do_step(guid, static_cast<Step>(step));
    }
  }

  asio::awaitable<void> do_step(std::string guid, Step step) {
    say("try", guid, step);
    Ledger::Operation operation = [this, guid, step](Board& board, base::Timestamp now) {
      Outcome outcome = take_step(board, now, guid, step);
      pass(Point::kDecided);
      return outcome;
    };
    const Outcome outcome = co_await ledger_.run(std::move(operation));
    if (outcome.error) _exit(4);
    say("answered", guid, step);
    answered_.notify_all();
    pass(Point::kAnswered);
  }

  asio::awaitable<void> read_all() {
    for (;;) {
      co_await answered_.wait();  // of one writer: the others are in the midst of their steps
      const std::map<std::string, Step> seen = co_await ledger_.read([this](const Records& records) {
        std::map<std::string, Step> steps;
        for (const auto& [guid, process] : records.processes()) {
          if (guid.starts_with(plan_.name)) steps[guid] = step_of(process.desired, records.lrps(guid, 0).ordinary());
        }
        return steps;
      });
      for (const auto& [guid, step] : seen) say("read", guid, step);
    }
  }

  asio::awaitable<void> listen() {
    net::SseParser parser;
    for (;;) {
      const std::vector<EncodedEvent> events = co_await source_->next();
      for (const EncodedEvent& event : events) parser.feed(*event);
      while (auto event = parser.next()) record(*event);
    }
  }

  void record(const net::ServerSentEvent& event) {
    const std::string bytes = base::from_base64(event.data);
    if (event.name.starts_with("desired_lrp_created") || event.name.starts_with("desired_lrp_removed")) {
      models::DesiredLRPCreatedEvent message;
      if (!message.ParseFromString(bytes)) _exit(5);
      say("published", message.desired_lrp().process_guid(), event.name.ends_with("removed") ? kRemoved : kDesired);
    } else if (event.name == "desired_lrp_changed") {
      models::DesiredLRPChangedEvent message;
      if (!message.ParseFromString(bytes)) _exit(5);
      say("published", message.after().process_guid(), kUpdated);
    } else if (event.name == "actual_lrp_instance_changed") {
      models::ActualLRPInstanceChangedEvent message;
      if (!message.ParseFromString(bytes)) _exit(5);
      say("published", message.actual_lrp_key().process_guid(),
          message.after().state() == "RUNNING" ? kRunning : kClaimed);
    }
  }

  Plan plan_;
  int output_;
  const ColumnCipher cipher_{{{"k1", "secret"}}, "k1"};
  base::SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  Store store_;
  asio::io_context io_{1};
  asio::any_io_executor home_ = io_.get_executor();
  base::WorkerPool workers_{1};
  Ledger ledger_{home_, workers_, store_, clock_, {}, base::Logger::discard()};
  EventHub hub_{home_};
  std::unique_ptr<EventSource> source_;
  base::Condition answered_{home_};
  base::TaskGroup loops_{home_, base::Logger::discard()};
};

// What the child reported about one guid.
struct Said {
  int tried = kNothing;
  int promised = kNothing;  // the furthest step that was answered, read or published
  std::string promise;
};

class KilledProcess : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam() == Engine::kSqlite) {
      config_.connection_string = (directory_.path() / "bbs.db").string();
    } else {
      ASSERT_TRUE(sql::TestServer::is_installed(GetParam())) << "install the server: tools/install-packages";
      server_ = std::make_unique<sql::TestServer>(GetParam());
      config_ = server_->config();
    }
  }

  // Everything that a child reported before it died.
  std::map<std::string, Said> live_and_die(const Plan& plan, std::chrono::microseconds life) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      Child(config_, plan, ends[1]).run();
      _exit(2);
    }
    close(ends[1]);
    const std::string output = listen_to(ends[0], child, plan.point == Point::kFromOutside, life);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "it ended otherwise: " << status;
    return parse(output);
  }

  // Reads to the end. If `life` is set, kills the child that long after its first answer.
  static std::string listen_to(int input, pid_t child, bool kills, std::chrono::microseconds life) {
    std::string output;
    char buffer[65536];
    auto end = std::chrono::steady_clock::time_point::max();
    for (;;) {
      const ssize_t count = read(input, buffer, sizeof buffer);
      if (count <= 0) return output;
      output.append(buffer, static_cast<std::size_t>(count));
      if (!kills) continue;
      const auto now = std::chrono::steady_clock::now();
      if (end == std::chrono::steady_clock::time_point::max() && output.find("answered") != std::string::npos) {
        end = now + life;
      }
      if (now >= end) kill(child, SIGKILL);
    }
  }

  static std::map<std::string, Said> parse(const std::string& output) {
    std::map<std::string, Said> said;
    std::istringstream lines(output);
    std::string what, guid;
    int step = 0;
    while (lines >> what >> guid >> step) {
      Said& of_guid = said[guid];
      if (what == "try") {
        of_guid.tried = step;
      } else if (step > of_guid.promised) {
        of_guid.promised = step;
        of_guid.promise = what;
      }
    }
    return said;
  }

  void check(const std::map<std::string, Said>& said) {
    const auto database = sql::Database::open(config_);
    const ColumnCipher cipher({{"k1", "secret"}}, "k1");
    Records records;
    for (const Change& change : Store(*database, cipher).load().records) records.apply(change);
    for (const auto& [guid, of_guid] : said) {
      const Step stored = step_of(records.desired_lrp(guid), records.lrps(guid, 0).ordinary());
      EXPECT_GE(stored, of_guid.promised) << guid << ": " << of_guid.promise << ", and lost";
      EXPECT_LE(stored, of_guid.tried) << guid;
    }
  }

  sql::DatabaseConfig config_;
  base::TemporaryDirectory directory_;
  std::unique_ptr<sql::TestServer> server_;
};

TEST_P(KilledProcess, LosesNothingThatItAcknowledgedOrPublished) {
  std::mt19937 random(static_cast<unsigned>(std::random_device()()));
  std::size_t promises = 0;
  for (int round = 0; round < 10; ++round) {
    Plan plan;
    plan.point = static_cast<Point>(round % 5);
    plan.countdown = static_cast<int>(random() % 150);
    plan.name = "r" + std::to_string(round) + "-";
    const std::chrono::microseconds life(random() % 150'000);
    SCOPED_TRACE("point " + std::to_string(round % 5) + ", countdown " + std::to_string(plan.countdown) + ", life " +
                 std::to_string(life.count()) + "us");
    const auto said = live_and_die(plan, life);
    check(said);
    promises += said.size();
  }
  EXPECT_GT(promises, 10u) << "there was no load";
}

INSTANTIATE_TEST_SUITE_P(Engines, KilledProcess, testing::Values(Engine::kSqlite, Engine::kPostgres, Engine::kMysql),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

}  // namespace
}  // namespace rivera::bbs
