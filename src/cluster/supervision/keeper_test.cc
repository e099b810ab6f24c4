#include <signal.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/work/task_group.h"
#include "cluster/prepare/preflight.h"
#include "cluster/run_coroutine.h"
#include "cluster/status.h"
#include "cluster/supervision/component_keeper.h"
#include "cluster/supervision/process.h"
#include "net/http/http_server.h"

namespace rivera::cluster {
namespace {

using std::chrono::seconds;

// Keeps a shell script; what the probe asks is a server of the test's own.
class Keeper : public ::testing::Test {
 protected:
  void SetUp() override {
    settings_.var_dir = directory_.path();
    make_directories(settings_);
  }

  // Runs `test(keeper)` while the keeper keeps `script`.
  template <typename Test>
  void keep(const std::string& script, Test test) {
    run_coroutine(keeping(script, std::move(test)));
  }

  template <typename Test>
  asio::awaitable<void> keeping(std::string script, Test test) {
    const auto executor = co_await asio::this_coro::executor;
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    net::HttpServer server(
        executor, options,
        [this](net::HttpExchange& exchange) -> asio::awaitable<void> {
          co_await exchange.respond(net::text_response(status_, ""));
        },
        base::Logger::discard());
    server.listen();
    server.start();
    HealthChecker health(executor, net::TlsContext::client({}, true, true));
    Component component{.name = "thing",
                        .argv = {"/bin/sh", "-c", script},
                        .address = "",
                        .probe = {.url = "http://" + server.address() + "/"},
                        .stop_grace = seconds(1)};
    ComponentKeeper keeper(executor, component, settings_, health, base::Logger::discard());
    base::TaskGroup tasks(executor, base::Logger::discard());
    tasks.spawn("run", keeper.run());
    tasks.spawn("health", keeper.watch_health());
    co_await test(keeper);
    co_await keeper.stop();
    co_await tasks.join();
    co_await server.stop(seconds(1));
  }

  static asio::awaitable<bool> until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) co_return false;
      co_await base::sleep_for(std::chrono::milliseconds(10));
    }
    co_return true;
  }

  base::TemporaryDirectory directory_;
  Settings settings_;
  int status_ = 200;
};

TEST_F(Keeper, StartsTheProcessAndSeesItsHealth) {
  keep("echo begun; exec sleep 1000", [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
    const bool healthy = co_await keeper.wait_healthy(seconds(20));
    EXPECT_TRUE(healthy);
    EXPECT_GT(keeper.status().pid, 1);
    EXPECT_EQ(keeper.status().restarts, 0);
    const bool logged = co_await until([&] { return base::read_file(settings_.log_dir() / "thing.log") == "begun\n"; });
    EXPECT_TRUE(logged);
  });
}

TEST_F(Keeper, GivesTheProcessNothingOfTheEnvironmentButWhatEveryProgramNeeds) {
  ::setenv("RIVERA_TEST_SECRET", "hidden", 1);
  keep("echo secret=$RIVERA_TEST_SECRET path=$PATH; exec sleep 1000",
       [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
         co_await keeper.wait_healthy(seconds(20));
         const auto log = settings_.log_dir() / "thing.log";
         const bool has_written = co_await until([&] { return base::read_file(log).ends_with('\n'); });
         EXPECT_TRUE(has_written);
         EXPECT_THAT(base::read_file(log), ::testing::StartsWith("secret= path=/"));
       });
  ::unsetenv("RIVERA_TEST_SECRET");
}

TEST_F(Keeper, StartsAnotherAfterAKill) {
  keep("exec sleep 1000", [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
    co_await keeper.wait_healthy(seconds(20));
    const pid_t first = keeper.status().pid;
    ::kill(first, SIGKILL);
    const bool back = co_await until([&] { return keeper.status().pid != 0 && keeper.status().pid != first; });
    EXPECT_TRUE(back);
    EXPECT_EQ(keeper.status().last_end, "killed by signal 9 (Killed)");
    EXPECT_EQ(keeper.status().restarts, 1);
  });
}

// As on a full disk.
TEST_F(Keeper, KeepsTheProcessWhosePidCannotBeWritten) {
  const auto pid_file = settings_.run_dir() / "thing.pid";
  std::filesystem::create_directories(pid_file / "in-the-way");
  keep("echo begun; exec sleep 1000", [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
    const bool healthy = co_await keeper.wait_healthy(seconds(20));
    EXPECT_TRUE(healthy);
    const pid_t pid = keeper.status().pid;
    std::filesystem::remove_all(pid_file);
    const bool is_noted = co_await until([&] { return read_pid_file(pid_file) == pid; });
    EXPECT_TRUE(is_noted) << "written once that is possible again";
    EXPECT_EQ(keeper.status().pid, pid);
    EXPECT_EQ(keeper.status().restarts, 0);
    EXPECT_EQ(base::read_file(settings_.log_dir() / "thing.log"), "begun\n") << "no second copy";
  });
}

TEST_F(Keeper, TheProcessEndsWithIt) {
  pid_t pid = 0;
  const auto abandon = [&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    HealthChecker health(executor, net::TlsContext::client({}, true, true));
    Component component{.name = "thing",
                        .argv = {"/bin/sleep", "1000"},
                        .address = "",
                        .probe = {.url = "http://127.0.0.1:1/"},
                        .stop_grace = seconds(1)};
    ComponentKeeper keeper(executor, component, settings_, health, base::Logger::discard());
    base::TaskGroup tasks(executor, base::Logger::discard());
    tasks.spawn("run", keeper.run());
    co_await until([&] { return keeper.status().pid != 0; });
    pid = keeper.status().pid;
    co_await tasks.stop();
  };
  run_coroutine(abandon());
  EXPECT_GT(pid, 1);
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(Keeper, SaysHowItEndsWhenItCannotStayUp) {
  keep("exit 3", [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
    const bool again = co_await until([&] { return keeper.status().restarts >= 3; });
    EXPECT_TRUE(again);
    EXPECT_EQ(keeper.status().last_end, "exit status 3");
  });
}

TEST_F(Keeper, KillsWhatDoesNotEndInTime) {
  pid_t pid = 0;
  keep("trap '' TERM; while :; do sleep 0.1; done", [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
    co_await keeper.wait_healthy(seconds(20));
    pid = keeper.status().pid;
  });
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(Keeper, AnAnswerOf500IsNoHealth) {
  status_ = 503;
  keep("exec sleep 1000", [&](ComponentKeeper& keeper) -> asio::awaitable<void> {
    const bool healthy = co_await keeper.wait_healthy(std::chrono::milliseconds(300));
    EXPECT_FALSE(healthy);
    status_ = 200;
    const bool later = co_await keeper.wait_healthy(seconds(20));
    EXPECT_TRUE(later);
  });
}

asio::awaitable<std::string> listener_while_listening() {
  const auto executor = co_await asio::this_coro::executor;
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  net::HttpServer server(executor, options, {}, base::Logger::discard());
  server.listen();
  const std::string address = server.address();
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  co_return listener_on(port);
}

TEST(Preflight, NamesTheProcessThatListens) {
  EXPECT_EQ(run_coroutine(listener_while_listening()), fmt::format("cluster_test (pid {})", ::getpid()));
}

TEST(Status, PrintsOneObjectWithFourArrays) {
  ClusterStatus status;
  status.components.push_back({.name = "bbs", .address = "127.0.0.1:1", .pid = 7, .healthy = true, .last_end = ""});
  status.applications.push_back(
      {.process_guid = "app", .domain = "d", .running = 1, .desired = 2, .urls = {}, .problem = "boom"});
  const std::string text = to_json_text(status);
  EXPECT_THAT(text,
              ::testing::HasSubstr(R"("components":[{"name":"bbs","pid":7,"address":"127.0.0.1:1","healthy":true)"));
  EXPECT_THAT(text, ::testing::HasSubstr(R"("cells":[])"));
  EXPECT_THAT(text, ::testing::HasSubstr(R"("running_instances":1,"desired_instances":2)"));
  EXPECT_THAT(text, ::testing::HasSubstr(R"("tasks":[])"));
  EXPECT_THAT(to_text(status, true), ::testing::HasSubstr("1/2"));
}

TEST(Status, ComponentsGoToJsonAndBack) {
  const auto parsed = parse_component_statuses(to_json(std::vector<ComponentStatus>{
      {.name = "rep", .address = "a", .pid = 3, .healthy = false, .restarts = 2, .last_end = "x"}}));
  ASSERT_EQ(parsed.size(), 1u);
  EXPECT_EQ(parsed[0].name, "rep");
  EXPECT_EQ(parsed[0].pid, 3);
  EXPECT_EQ(parsed[0].restarts, 2);
  EXPECT_THROW(parse_component_statuses("{}"), std::runtime_error);
}

}  // namespace
}  // namespace rivera::cluster
