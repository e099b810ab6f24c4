// The program with a real Locket: standby, takeover, recovery after kill -9, shutdown.
#include <signal.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "bbs/program/program_harness.h"
#include "sql/database.h"

namespace rivera::bbs {
namespace {

class BbsProcess : public ProgramHarness {
 protected:
  json::object bbs_config(const std::string& uuid) { return ProgramHarness::bbs_config(uuid, locket_address_); }

  int health(const json::object& config) {
    return run(get_plain("http://" + std::string(config.at("health_address").as_string()))).status;
  }
  asio::awaitable<net::HttpResponse> get_plain(std::string url) {
    net::HttpClient plain(home_);
    net::HttpRequest request;
    request.method = "GET";
    request.target = "/ping";
    auto sending = plain.send(net::Endpoint::parse(url), std::move(request));
    co_return co_await std::move(sending);
  }

  asio::awaitable<net::HttpResponse> send_desire(std::string guid) {
    models::DesireLRPRequest message;
    *message.mutable_desired_lrp() = models::testing::a_desired_lrp(guid);
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/v1/desired_lrp/desire.r2";
    request.body = message.SerializeAsString();
    auto sending = send(std::move(request));
    co_return co_await std::move(sending);
  }

  const std::string locket_address_ = free_address();
  base::TestProgram locket_ = start_locket(locket_address_);
};

TEST_F(BbsProcess, AStandbyTakesOverWhatTheActiveOneAcknowledged) {
  const json::object first_config = bbs_config("first"), second_config = bbs_config("second");
  base::TestProgram first = start_bbs(first_config);
  first.wait_for("bbs.started");
  use(first_config);
  desire("p");

  base::TestProgram second = start_bbs(second_config);
  second.wait_for("bbs.locket-lock.started");
  EXPECT_EQ(health(second_config), 200);
  use(second_config);
  EXPECT_THROW(post("/v1/ping", ""), net::TransportError) << "a standby does not listen";

  EXPECT_EQ(first.end(SIGKILL), -SIGKILL);
  second.wait_for("bbs.started");
  EXPECT_EQ(instances(), 2);
  desire("q");
  EXPECT_EQ(instances(), 4);
  EXPECT_EQ(second.end(SIGTERM), 0);
}

TEST_F(BbsProcess, ACleanEndGivesTheLockUpAtOnce) {
  const json::object config = bbs_config("same");
  base::TestProgram first = start_bbs(config);
  first.wait_for("bbs.started");
  base::TestProgram second = start_bbs(bbs_config("other"));
  second.wait_for("bbs.locket-lock.started");
  EXPECT_EQ(first.end(SIGTERM), 0);
  second.wait_for("bbs.started");
}

TEST_F(BbsProcess, EndsWithStatusOneWhenTheLockIsLost) {
  base::TestProgram bbs = start_bbs(bbs_config("only"));
  bbs.wait_for("bbs.started");
  locket_.end(SIGKILL);
  EXPECT_EQ(bbs.wait(kLockTtl + std::chrono::seconds(2)), 1);
}

// A machine that was recreated because it seemed dead has the same uuid, and so the same lock.
TEST_F(BbsProcess, EndsWithStatusOneWhenAnotherOfItsUuidHasBecomeActive) {
  const json::object first_config = bbs_config("same");
  base::TestProgram first = start_bbs(first_config);
  first.wait_for("bbs.started");
  base::TestProgram second = start_bbs(bbs_config("same"));
  second.wait_for("bbs.started");
  EXPECT_EQ(first.wait(std::chrono::seconds(10)), 1) << "though it has nothing to write";
}

TEST_F(BbsProcess, WithoutTheLockEndsEvenWhenItsDatabaseHangs) {
  const json::object config = bbs_config("only");
  base::TestProgram bbs = start_bbs(config);
  bbs.wait_for("bbs.started");
  use(config);
  config_.database.connection_string = std::string(database_keys("bbs").at("database_connection_string").as_string());
  const auto database = sql::Database::open(config_.database);
  auto connection = database->connect();
  const auto transaction = connection.begin(sql::TransactionMode::kWrite);
  auto hanging = asio::co_spawn(home_, send_desire("p"), asio::use_future);
  locket_.end(SIGKILL);
  EXPECT_EQ(bbs.wait(kLockTtl + std::chrono::seconds(4)), 1);
  EXPECT_THROW(hanging.get(), net::TransportError) << "it was not answered";
}

TEST_F(BbsProcess, AStartThatFailsEndsWithStatusOneAndGivesTheLockUp) {
  json::object config = bbs_config("first");
  config["listen_address"] = locket_address_;  // taken
  base::TestProgram failing = start_bbs(config);
  EXPECT_EQ(failing.wait(), 1);
  base::TestProgram second = start_bbs(bbs_config("second"));
  second.wait_for("bbs.started");
}

TEST_F(BbsProcess, MovesItsRecordsToAnotherDatabase) {
  json::object config = bbs_config("first");
  const std::string program = base::bin_dir() + "/bbs", path = directory_.path() / "first.json";
  const std::string dump = directory_.path() / "dump";
  {
    base::TestProgram first = start_bbs(config);
    first.wait_for("bbs.started");
    use(config);
    desire("p");
    const auto exported = base::run_command({program, "-config", path, "-export", dump});
    EXPECT_EQ(exported.exit_status, 0) << exported.error;
    EXPECT_EQ(base::run_command({program, "-config", path, "-export", "-"}).output, base::read_file(dump));
    EXPECT_EQ(std::filesystem::status(dump).permissions(), std::filesystem::perms(0600));
    const auto beside = base::run_command({program, "-config", path, "-import", dump, "-replace"});
    EXPECT_EQ(beside.exit_status, 1) << "a BBS is active";
    EXPECT_EQ(instances(), 2);
    EXPECT_EQ(first.end(SIGTERM), 0);
  }
  EXPECT_EQ(base::run_command({program, "-config", path, "-import", dump}).exit_status, 1) << "there are records";
  config["database_connection_string"] = (directory_.path() / "other.db").string();
  config["uuid"] = "other";
  const std::string other_path = directory_.path() / "other.json";
  base::write_file_atomically(other_path, json::serialize(config));
  base::CommandOptions from_file;
  from_file.input = base::read_file(dump);
  const auto imported = base::run_command({program, "-config", other_path, "-import", "-"}, from_file);
  EXPECT_EQ(imported.exit_status, 0) << imported.output;
  EXPECT_NE(imported.error.find("imported 3 rows"), std::string::npos);
  base::TestProgram other = start_bbs(config);
  other.wait_for("bbs.started");
  EXPECT_EQ(instances(), 2);
}

TEST_F(BbsProcess, CheckConfigNamesWhatIsWrong) {
  json::object config = bbs_config("only");
  const auto check = [&] {
    const std::string path = directory_.path() / "checked.json";
    base::write_file_atomically(path, json::serialize(config));
    return base::run_command({base::bin_dir() + "/bbs", "-config", path, "-check-config"});
  };
  EXPECT_EQ(check().exit_status, 0) << check().error;
  config["active_key_label"] = "k2";
  EXPECT_EQ(check().exit_status, 2);
  EXPECT_NE(check().error.find("active_key_label"), std::string::npos);
  config = bbs_config("only");
  config.erase("uuid");
  EXPECT_NE(check().error.find("uuid"), std::string::npos);
  config = bbs_config("only");
  config["cert_file"] = "/none.crt";
  EXPECT_NE(check().error.find("/none.crt"), std::string::npos);
  EXPECT_EQ(check().error.find("a secure passphrase"), std::string::npos);
}

}  // namespace
}  // namespace rivera::bbs
