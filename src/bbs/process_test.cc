// The program itself beside a real Locket: standing by, taking over, what a kill -9 leaves, the end.
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/subprocess.h"
#include "bbs/bbs_harness.h"
#include "models/testing.h"

extern char** environ;

namespace rivera::bbs {
namespace {

namespace json = boost::json;

const std::string kBinaries = RIVERA_BIN_DIR "/";

// A program running until it is ended, and its log.
class Process {
 public:
  Process(const std::string& name, const std::string& config_path) : name_(name) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    output_.reset(ends[0]);
    base::UniqueFd writing(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
    std::string program = kBinaries + name, flag = "-config", path = config_path;
    char* const argv[] = {program.data(), flag.data(), path.data(), nullptr};
    const int failed = posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error("cannot run " + program);
  }
  ~Process() { end(SIGKILL); }

  // Reads the log until `message` comes; gives its data. Throws if the program ends before.
  json::object wait_for(const std::string& message) {
    for (;;) {
      const auto line_end = log_.find('\n');
      if (line_end == std::string::npos) {
        read_more();
        continue;
      }
      const auto line = json::parse(log_.substr(0, line_end)).as_object();
      log_.erase(0, line_end + 1);
      if (line.at("message").as_string() == message) return line.at("data").as_object();
    }
  }

  // Its exit status, or -signal.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    kill(pid_, signal);
    return wait();
  }
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  void read_more() {
    char buffer[4096];
    const auto count = read(output_.get(), buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error(name_ + " ended");
    log_.append(buffer, static_cast<std::size_t>(count));
  }

  std::string name_;
  pid_t pid_ = 0;
  base::UniqueFd output_;
  std::string log_;
};

std::string free_address() {
  base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("bind failed");
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

// Uses the harness for its certificates and its client only.
class BbsProcess : public BbsHarness {
 protected:
  BbsProcess() { start_locket(); }

  void start_locket() {
    const json::object config = {{"listen_address", locket_address_},
                                 {"ca_file", config_.tls.ca_file},
                                 {"cert_file", config_.tls.certificate_file},
                                 {"key_file", config_.tls.key_file},
                                 {"database_driver", "sqlite3"},
                                 {"database_connection_string", (directory_.path() / "locket.db").string()}};
    locket_ = std::make_unique<Process>("locket", write("locket.json", config));
    locket_->wait_for("locket.started");
  }

  std::string write(const std::string& name, const json::object& config) {
    const auto path = directory_.path() / name;
    base::write_file_atomically(path, json::serialize(config));
    return path;
  }

  json::object bbs_config(const std::string& uuid) {
    return {{"uuid", uuid},
            {"listen_address", free_address()},
            {"health_address", free_address()},
            {"ca_file", config_.tls.ca_file},
            {"cert_file", config_.tls.certificate_file},
            {"key_file", config_.tls.key_file},
            {"database_driver", "sqlite3"},
            {"database_connection_string", (directory_.path() / "bbs.db").string()},
            {"encryption_keys", {{"k1", "a secure passphrase"}}},
            {"active_key_label", "k1"},
            {"auctioneer_address", "http://127.0.0.1:1"},
            {"locket_address", locket_address_},
            {"locket_ca_cert_file", config_.tls.ca_file},
            {"locket_client_cert_file", config_.tls.certificate_file},
            {"locket_client_key_file", config_.tls.key_file},
            {"lock_ttl", "2s"},
            {"lock_retry_interval", "200ms"},
            {"rep_require_tls", true}};
  }

  void desire(const std::string& guid) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() = models::testing::a_desired_lrp(guid).with_instances(2);
    const auto response = call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request);
    EXPECT_FALSE(response.has_error()) << response.error().message();
  }
  int instances() {
    return call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest()).actual_lrps_size();
  }
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
  void use(const json::object& config) { address_ = config.at("listen_address").as_string(); }

  const std::string locket_address_ = free_address();
  std::unique_ptr<Process> locket_;
};

TEST_F(BbsProcess, AStandbyTakesOverWhatTheActiveOneAcknowledged) {
  const json::object first_config = bbs_config("first"), second_config = bbs_config("second");
  Process first("bbs", write("first.json", first_config));
  first.wait_for("bbs.started");
  use(first_config);
  desire("p");

  Process second("bbs", write("second.json", second_config));
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
  Process first("bbs", write("first.json", config));
  first.wait_for("bbs.started");
  Process second("bbs", write("second.json", bbs_config("other")));
  second.wait_for("bbs.locket-lock.started");
  EXPECT_EQ(first.end(SIGTERM), 0);
  second.wait_for("bbs.started");
}

TEST_F(BbsProcess, EndsWithStatusOneWhenTheLockIsLost) {
  Process bbs("bbs", write("bbs.json", bbs_config("only")));
  bbs.wait_for("bbs.started");
  locket_->end(SIGKILL);
  EXPECT_EQ(bbs.wait(), 1);
}

TEST_F(BbsProcess, AStartThatFailsEndsWithStatusOneAndGivesTheLockUp) {
  json::object config = bbs_config("first");
  config["listen_address"] = locket_address_;  // taken
  Process failing("bbs", write("first.json", config));
  EXPECT_EQ(failing.wait(), 1);
  Process second("bbs", write("second.json", bbs_config("second")));
  second.wait_for("bbs.started");
}

TEST_F(BbsProcess, MovesItsRecordsToAnotherDatabase) {
  json::object config = bbs_config("first");
  const std::string path = write("first.json", config), dump = (directory_.path() / "dump").string();
  {
    Process first("bbs", path);
    first.wait_for("bbs.started");
    use(config);
    desire("p");
    const auto exported = base::run_command({kBinaries + "bbs", "-config", path, "-export", dump});
    EXPECT_EQ(exported.exit_status, 0) << exported.error;
    EXPECT_EQ(base::run_command({kBinaries + "bbs", "-config", path, "-export", "-"}).output, base::read_file(dump));
    EXPECT_EQ(std::filesystem::status(dump).permissions(), std::filesystem::perms(0600));
    const auto beside = base::run_command({kBinaries + "bbs", "-config", path, "-import", dump, "-replace"});
    EXPECT_EQ(beside.exit_status, 1) << "a BBS is active";
    EXPECT_EQ(instances(), 2);
    EXPECT_EQ(first.end(SIGTERM), 0);
  }
  EXPECT_EQ(base::run_command({kBinaries + "bbs", "-config", path, "-import", dump}).exit_status, 1)
      << "there are records";
  config["database_connection_string"] = (directory_.path() / "other.db").string();
  const std::string other_path = write("other.json", config);
  base::CommandOptions from_file;
  from_file.input = base::read_file(dump);
  const auto imported = base::run_command({kBinaries + "bbs", "-config", other_path, "-import", "-"}, from_file);
  EXPECT_EQ(imported.exit_status, 0) << imported.output;
  EXPECT_NE(imported.error.find("imported 3 rows"), std::string::npos);
  Process other("bbs", other_path);
  other.wait_for("bbs.started");
  EXPECT_EQ(instances(), 2);
}

TEST_F(BbsProcess, CheckConfigNamesWhatIsWrong) {
  json::object config = bbs_config("only");
  const auto check = [&] {
    return base::run_command({kBinaries + "bbs", "-config", write("bbs.json", config), "-check-config"});
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
