// The program itself: its command line, and its state after kill -9.
#include <signal.h>

#include <boost/json.hpp>

#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "base/testing/test_program.h"
#include "clients/locket/lock_keeper.h"
#include "locket/testing/locket_harness.h"

namespace rivera::locket {
namespace {

using std::chrono::seconds;

const std::string kProgram = base::bin_dir() + "/locket";

// Uses only the port, the event loop and the client of the harness.
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
  base::TestProgram first({kProgram, "-config=" + config});
  first.wait_for("locket.started");
  run(client().lock({.key = "short", .owner = "o"}, seconds(1)));
  run(client().lock({.key = "long", .owner = "o", .value = "v"}, seconds(600)));
  keeper_ = std::make_unique<clients::LockKeeper>(
      io_.get_executor(), client(),
      clients::LockKeeperOptions{.key = "bbs", .owner = "me", .retry_interval = std::chrono::milliseconds(100)},
      base::Logger::discard());
  run(keeper_->acquire());

  EXPECT_EQ(first.end(SIGKILL), -SIGKILL);
  const auto before = keeper_->valid_until();
  base::TestProgram second({kProgram, "-config=" + config});
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
  base::TestProgram process({kProgram, "-config=" + write_config()});
  const auto data = process.wait_for("locket.started");
  EXPECT_EQ(data.at("listen_address").as_string(), config_.listen_address);
  EXPECT_EQ(process.end(SIGTERM), 0);
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
