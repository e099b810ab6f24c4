// The program itself: its command line, and what a kill -9 leaves.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/subprocess.h"
#include "clients/lock_keeper.h"
#include "locket/locket_harness.h"

extern char** environ;

namespace rivera::locket {
namespace {

using std::chrono::seconds;

const std::string kProgram = RIVERA_BIN_DIR "/locket";

// The program running with a configuration, until killed.
class Process {
 public:
  explicit Process(const std::string& config_path) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    output_.reset(ends[0]);
    base::UniqueFd writing(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
    std::string argument = "-config=" + config_path;
    std::string name = kProgram;
    char* const argv[] = {name.data(), argument.data(), nullptr};
    const int failed = posix_spawn(&pid_, kProgram.c_str(), &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error("cannot run " + kProgram);
  }
  ~Process() { end(SIGKILL); }

  // Reads the log until `message` comes; gives its data. Throws if the program ends before.
  boost::json::object wait_for(const std::string& message) {
    while (true) {
      const auto line_end = log_.find('\n');
      if (line_end == std::string::npos) {
        read_more();
        continue;
      }
      const auto line = boost::json::parse(log_.substr(0, line_end)).as_object();
      log_.erase(0, line_end + 1);
      if (line.at("message").as_string() == message) return line.at("data").as_object();
    }
  }

  // Its wait status.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

 private:
  void read_more() {
    char buffer[4096];
    const auto count = read(output_.get(), buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("locket ended: " + log_);
    log_.append(buffer, static_cast<std::size_t>(count));
  }

  pid_t pid_ = 0;
  base::UniqueFd output_;
  std::string log_;
};

// The harness' own Locket only gives the port, the loop and the client.
class LocketProcess : public LocketHarness {
 protected:
  LocketProcess() { stop(); }
  ~LocketProcess() override { run(destroy_keeper()); }

  std::string write_config(const std::string& extra = "") {
    boost::json::object config = {{"listen_address", config_.listen_address},
                                  {"ca_file", config_.tls.ca_file},
                                  {"cert_file", config_.tls.certificate_file},
                                  {"key_file", config_.tls.key_file},
                                  {"database_driver", "sqlite3"},
                                  {"database_connection_string", config_.database.connection_string}};
    if (!extra.empty()) config[extra] = "nonsense";
    const auto path = directory_.path() / "locket.json";
    base::write_file_atomically(path, boost::json::serialize(config));
    return path;
  }

  asio::awaitable<void> destroy_keeper() {
    keeper_.reset();
    co_return;
  }

  std::unique_ptr<clients::LockKeeper> keeper_;
};

TEST_F(LocketProcess, KilledAndStartedAgainKeepsWhatItAcknowledged) {
  const auto config = write_config();
  Process first(config);
  first.wait_for("locket.started");
  run(client().lock({.key = "short", .owner = "o"}, seconds(1)));
  run(client().lock({.key = "long", .owner = "o", .value = "v"}, seconds(600)));
  keeper_ = std::make_unique<clients::LockKeeper>(
      io_.get_executor(), client(),
      clients::LockKeeperOptions{.key = "bbs", .owner = "me", .retry_interval = std::chrono::milliseconds(100)},
      base::Logger::discard());
  run(keeper_->acquire());

  EXPECT_EQ(WTERMSIG(first.end(SIGKILL)), SIGKILL);
  const auto before = keeper_->valid_until();
  Process second(config);
  second.wait_for("locket.started");
  const auto found = run(client().fetch("long"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, "v");
  wait_until([&]() -> asio::awaitable<bool> { co_return keeper_->valid_until() > before; });
  EXPECT_TRUE(keeper_->is_held());
  wait_until([&]() -> asio::awaitable<bool> {
    const auto held = co_await client().fetch("short");
    co_return !held;
  });
}

TEST_F(LocketProcess, EndsCleanlyOnSigterm) {
  Process process(write_config());
  const auto data = process.wait_for("locket.started");
  EXPECT_EQ(data.at("listen_address").as_string(), config_.listen_address);
  const int status = process.end(SIGTERM);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(LocketProcess, SaysWhatIsWrongWithItsConfiguration) {
  const auto bad = base::run_command({kProgram, "-config", write_config("report_interval")});
  EXPECT_EQ(bad.exit_status, 2);
  EXPECT_NE(bad.error.find("invalid-config-file"), std::string::npos) << bad.error;
  EXPECT_NE(bad.error.find("report_interval"), std::string::npos) << bad.error;
  const auto good = base::run_command({kProgram, "-config", write_config(), "-check-config"});
  EXPECT_EQ(good.exit_status, 0) << good.error;
}

TEST_F(LocketProcess, EndsWithAnErrorWhenItsDatabaseCannotBeOpened) {
  config_.database.connection_string = "/absent/locket.db";
  const auto result = base::run_command({kProgram, "-config", write_config()});
  EXPECT_NE(result.exit_status, 0);
  EXPECT_NE(result.output.find("sql-failed-to-connect"), std::string::npos) << result.output;
}

}  // namespace
}  // namespace rivera::locket
