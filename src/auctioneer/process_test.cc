// The program itself beside a real Locket: standing by, taking over, losing the lock, bad configurations.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "auctioneer/testing/testing.h"
#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "base/testing/test_program.h"
#include "base/testing/test_run.h"
#include "clients/auctioneer_client.h"
#include "clients/locket/locket_client.h"
#include "net/testing/test_certificates.h"

namespace rivera::auctioneer {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

const std::string kBinaries = base::bin_dir() + "/";

base::TestProgram start(const std::string& name, const std::string& config_path) {
  return base::TestProgram({kBinaries + name, "-config", config_path});
}

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
    locket_ = std::make_unique<base::TestProgram>(start("locket", write("locket.json", config)));
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
    base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
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
    base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
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
  std::unique_ptr<base::TestProgram> locket_;
};

TEST_F(AuctioneerProcess, StandsByWithoutListeningAndTakesOverWhenTheActiveOneEnds) {
  base::TestProgram first = start("auctioneer", config_of("first"));
  first.wait_for("auctioneer.started");
  EXPECT_TRUE(serves()) << "does not depend on the BBS";
  base::TestProgram second = start("auctioneer", config_of("second"));
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
  base::TestProgram process = start("auctioneer", config_of("first"));
  process.wait_for("auctioneer.started");
  usurp_lock("first");
  process.wait_for("auctioneer.exited-with-failure");
  EXPECT_EQ(process.wait(), 1);
  EXPECT_FALSE(serves());
}

TEST_F(AuctioneerProcess, EndsAtOnceWhileItStandsBy) {
  usurp_lock("unknown");
  base::TestProgram process = start("auctioneer", config_of("first"));
  process.wait_for("auctioneer.lock.failed-to-acquire-lock");
  EXPECT_FALSE(serves());
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(AuctioneerProcess, RefusesAKeyThatIsNotItsCertificates) {
  const auto other = certificates_.issue({});
  base::TestProgram process = start("auctioneer", config_of("first", {{"server_key_file", other.key_file}}));
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
