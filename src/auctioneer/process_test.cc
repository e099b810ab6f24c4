// The program itself beside a real Locket: standing by, taking over, losing the lock, bad configurations.
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "auctioneer/testing/testing.h"
#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "clients/auctioneer_client.h"
#include "clients/locket/locket_client.h"
#include "net/testing/test_certificates.h"

extern char** environ;

namespace rivera::auctioneer {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

const std::string kBinaries = base::bin_dir() + "/";

// A running program and its log.
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
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    wait();
  }

  // Reads the log up to `message`; returns its data. Throws if the program ends before.
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

  void send(int signal) const { kill(pid_, signal); }
  // Its exit status, or -signal.
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

class AuctioneerProcess : public ::testing::Test {
 protected:
  AuctioneerProcess() {
    const auto& files = certificates_.server();
    const json::object config = {{"listen_address", locket_address_},
                                 {"ca_file", files.ca_file},
                                 {"cert_file", files.certificate_file},
                                 {"key_file", files.key_file},
                                 {"database_driver", "sqlite3"},
                                 {"database_connection_string", (directory_.path() / "locket.db").string()}};
    locket_ = std::make_unique<Process>("locket", write("locket.json", config));
    locket_->wait_for("locket.started");
  }

  std::string write(const std::string& name, const json::object& config) {
    const auto path = directory_.path() / name;
    base::write_file_atomically(path, json::serialize(config));
    return path.string();
  }

  // All auctioneers use the same address, since only the active one listens.
  std::string config_of(const std::string& uuid, const json::object& changes = {}) {
    const auto& files = certificates_.server();
    json::object config = {{"uuid", uuid},
                           {"listen_address", address_},
                           {"bbs_address", "https://127.0.0.1:1"},
                           {"auction_runner_workers", 10},
                           {"locket_address", locket_address_}};
    const auto add_tls = [&](std::string_view ca, std::string_view certificate, std::string_view key) {
      config[ca] = files.ca_file;
      config[certificate] = files.certificate_file;
      config[key] = files.key_file;
    };
    add_tls("ca_cert_file", "server_cert_file", "server_key_file");
    add_tls("bbs_ca_cert_file", "bbs_client_cert_file", "bbs_client_key_file");
    add_tls("rep_ca_cert", "rep_client_cert", "rep_client_key");
    add_tls("locket_ca_cert_file", "locket_client_cert_file", "locket_client_key_file");
    for (const auto& change : changes) config[change.key()] = change.value();
    return write(uuid + ".json", config);
  }

  // Whether an auctioneer accepts requests.
  bool serves() {
    bool accepted = false;
    testing::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
      clients::AuctioneerClientOptions options;
      options.url = "https://" + address_;
      options.tls = certificates_.client();
      clients::AuctioneerClient client(executor, options);
      try {
        co_await client.request_lrp_auctions({}, "");
        accepted = true;
      } catch (const net::TransportError&) {
        accepted = false;
      }
    });
    return accepted;
  }

  // Takes the lock from `owner`, as if it had expired.
  void usurp_lock(const std::string& owner) {
    testing::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
      clients::LocketClientOptions options;
      options.address = locket_address_;
      options.tls = certificates_.client();
      clients::LocketClient client(executor, options);
      clients::LocketResource held{"auctioneer", owner, "", clients::LocketType::kLock, ""};
      co_await client.release(held);
      clients::LocketResource taken{"auctioneer", "usurper", "", clients::LocketType::kLock, ""};
      co_await client.lock(taken, 60s);
    });
  }

  base::TemporaryDirectory directory_;
  net::TestCertificates certificates_;
  std::string locket_address_ = free_address();
  std::string address_ = free_address();
  std::unique_ptr<Process> locket_;
};

TEST_F(AuctioneerProcess, StandsByWithoutListeningAndTakesOverWhenTheActiveOneEnds) {
  Process first("auctioneer", config_of("first"));
  first.wait_for("auctioneer.started");
  EXPECT_TRUE(serves()) << "does not depend on the BBS";
  Process second("auctioneer", config_of("second"));
  const auto waiting = second.wait_for("auctioneer.lock.failed-to-acquire-lock");
  EXPECT_EQ(waiting.at("lock-owner").as_string(), "first");

  first.send(SIGTERM);
  EXPECT_EQ(first.wait(), 0);
  second.wait_for("auctioneer.started");
  EXPECT_TRUE(serves());
  second.send(SIGTERM);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_FALSE(serves());
}

TEST_F(AuctioneerProcess, EndsWithStatusOneWhenItLosesTheLock) {
  Process process("auctioneer", config_of("first"));
  process.wait_for("auctioneer.started");
  usurp_lock("first");
  process.wait_for("auctioneer.exited-with-failure");
  EXPECT_EQ(process.wait(), 1);
  EXPECT_FALSE(serves());
}

TEST_F(AuctioneerProcess, EndsAtOnceWhileItStandsBy) {
  usurp_lock("unknown");
  Process process("auctioneer", config_of("first"));
  process.wait_for("auctioneer.lock.failed-to-acquire-lock");
  EXPECT_FALSE(serves());
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(AuctioneerProcess, RefusesAKeyThatIsNotItsCertificates) {
  const auto other = certificates_.issue({});
  Process process("auctioneer", config_of("first", {{"server_key_file", other.key_file}}));
  process.wait_for("auctioneer.invalid-tls-config");
  EXPECT_NE(process.wait(), 0);
}

TEST_F(AuctioneerProcess, ChecksItsConfiguration) {
  const auto good = base::run_command({kBinaries + "auctioneer", "-config", config_of("first"), "-check-config"});
  EXPECT_EQ(good.exit_status, 0) << good.error;
  const auto bad =
      base::run_command({kBinaries + "auctioneer", "-config", config_of("first", {{"uuid", ""}}), "-check-config"});
  EXPECT_EQ(bad.exit_status, 2);
  EXPECT_NE(bad.error.find("invalid-uuid"), std::string::npos) << bad.error;
}

}  // namespace
}  // namespace rivera::auctioneer
