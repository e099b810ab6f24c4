// Upstream's configuration files, as its BOSH jobs render them, start our programs. Changed are only addresses, the
// paths below /var/vcap, where upstream's files, databases and plugins are, and times that a test would wait for.
#include <map>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "base/testing/test_program.h"
#include "garden/testing/test_garden.h"
#include "net/testing/nats_test_server.h"
#include "net/testing/test_certificates.h"
#include "sql/testing/test_servers.h"

namespace rivera {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::HasSubstr;

constexpr std::string_view kUpstreamRoot = "/var/vcap";

// An address on which no program listens at the moment.
std::string free_address() {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("bind failed");
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

std::string port_of(const std::string& address) { return address.substr(address.rfind(':') + 1); }

std::string upstream_text(const std::string& name) {
  return base::read_file(base::source_dir() + "/tests/conformance/upstream_files/" + name);
}

class UpstreamFiles : public ::testing::Test {
 protected:
  // Ours for a path of upstream's: a certificate, a key, or the same place below our directory, which is made.
  std::string our_path(const std::string& path) {
    const net::TlsFiles& files = certificates_.server();
    if (path.ends_with("ca.crt")) return files.ca_file;
    if (path.ends_with(".crt")) return files.certificate_file;
    if (path.ends_with(".key")) return files.key_file;
    const fs::path ours = directory_.path().string() + path.substr(kUpstreamRoot.size());
    fs::create_directories(path.ends_with("/") ? ours : ours.parent_path());
    return ours;
  }

  void adjust(json::value& value) {
    if (value.is_string() && value.get_string().starts_with(kUpstreamRoot)) {
      value = our_path(std::string(value.get_string()));
    } else if (value.is_object()) {
      for (auto& member : value.get_object()) adjust(member.value());
    } else if (value.is_array()) {
      for (auto& item : value.get_array()) adjust(item);
    }
  }

  json::object upstream(const std::string& program) {
    json::value value = json::parse(upstream_text(program + ".json"));
    adjust(value);
    return value.as_object();
  }

  std::string write(const std::string& name, const std::string& text) {
    std::string path = (directory_.path() / name).string();
    base::write_file_atomically(path, text);
    return path;
  }

  base::TestProgram start(const std::string& program, const json::object& config) {
    const std::string path = write(program + ".json", json::serialize(config));
    return base::TestProgram({base::bin_dir() + "/" + program, "-config", path});
  }

  // What a program says, on standard error and in its log, that does not start; its status must be `status`.
  std::string refusal(const std::vector<std::string>& command, int status) {
    const base::CommandResult result = base::run_command(command);
    EXPECT_EQ(result.exit_status, status) << result.output << result.error;
    return result.error + result.output;
  }

  static void set(json::object& config, const json::object& changes) {
    for (const auto& change : changes) config[change.key()] = change.value();
  }

  // Locket by upstream's file; its address in `address`.
  base::TestProgram start_locket(const std::string& address) {
    json::object config = upstream("locket");
    set(config, {{"listen_address", address},
                 {"debug_address", free_address()},
                 {"database_driver", "sqlite3"},
                 {"database_connection_string", (directory_.path() / "locket.db").string()}});
    base::TestProgram locket = start("locket", config);
    locket.wait_for("locket.started");
    return locket;
  }

  base::TemporaryDirectory directory_;
  net::TestCertificates certificates_;
};

TEST_F(UpstreamFiles, StartLocketOnPostgres) {
  const sql::TestServer database(sql::Engine::kPostgres);
  json::object config = upstream("locket");
  set(config, {{"listen_address", free_address()},
               {"debug_address", free_address()},
               {"database_driver", "postgres"},
               {"database_connection_string", database.config().connection_string}});
  base::TestProgram locket = start("locket", config);
  locket.wait_for("locket.started");
  EXPECT_EQ(locket.end(SIGTERM), 0);
}

TEST_F(UpstreamFiles, StartTheBbs) {
  const std::string locket_address = free_address();
  base::TestProgram locket = start_locket(locket_address);
  json::object config = upstream("bbs");
  set(config, {{"listen_address", free_address()},
               {"health_address", free_address()},
               {"debug_address", free_address()},
               {"locket_address", locket_address},
               {"auctioneer_address", "https://" + free_address()},
               {"database_driver", "sqlite3"},
               {"database_connection_string", (directory_.path() / "bbs.db").string()}});
  base::TestProgram bbs = start("bbs", config);
  const json::object unused = bbs.wait_for("bbs.configuration.keys-unused");
  EXPECT_THAT(json::serialize(unused), HasSubstr("advertise_url"));
  bbs.wait_for("bbs.started");
}

TEST_F(UpstreamFiles, StartTheAuctioneer) {
  const std::string locket_address = free_address();
  base::TestProgram locket = start_locket(locket_address);
  json::object config = upstream("auctioneer");
  set(config, {{"listen_address", free_address()},
               {"debug_address", free_address()},
               {"bbs_address", "https://" + free_address()},
               {"locket_address", locket_address}});
  base::TestProgram auctioneer = start("auctioneer", config);
  auctioneer.wait_for("auctioneer.started");
}

TEST_F(UpstreamFiles, StartTheRep) {
  ASSERT_EQ(garden::TestGarden::obstacle(), "");
  garden::TestGarden garden;
  const std::string locket_address = free_address();
  base::TestProgram locket = start_locket(locket_address);
  json::object config = upstream("rep");
  set(config, {{"listen_addr", free_address()},
               {"listen_addr_securable", free_address()},
               {"debug_address", free_address()},
               {"bbs_address", "https://" + free_address()},
               {"locket_address", locket_address},
               {"garden_addr", garden.socket()},
               {"preloaded_root_fs", json::array{"cflinuxfs4:" + garden.rootfs()}},
               {"container_owner_name", "upstream-files"},
               {"path_to_ca_certs_for_downloads", certificates_.ca_file()}});
  base::TestProgram rep = start("rep", config);
  const json::object not_built = rep.wait_for("rep.configuration.key-not-built");
  EXPECT_TRUE(not_built.contains("key"));
  rep.wait_for("rep.started");
}

TEST_F(UpstreamFiles, StartTheRouteEmitter) {
  const net::TlsFiles& files = certificates_.server();
  const net::NatsTestServer nats(
      fmt::format("authorization {{ user: nats, password: secret }}\n"
                  "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n",
                  files.certificate_file, files.key_file, files.ca_file));
  json::object config = upstream("route-emitter");
  set(config, {{"bbs_address", "https://" + free_address()},
               {"debug_address", free_address()},
               {"healthcheck_address", free_address()},
               {"nats_addresses", nats.address()}});
  base::TestProgram emitter = start("route-emitter", config);
  const json::object not_built = emitter.wait_for("route-emitter.configuration.key-not-built");
  EXPECT_EQ(not_built.at("key"), "enable_tcp_emitter");
  emitter.wait_for("route-emitter.started");
}

TEST_F(UpstreamFiles, StartTheFileServer) {
  json::object config = upstream("file-server");
  set(config,
      {{"server_address", free_address()}, {"https_listen_addr", free_address()}, {"debug_address", free_address()}});
  base::TestProgram server = start("file-server", config);
  server.wait_for("file-server.ready");
  EXPECT_EQ(server.end(SIGTERM), 0);
}

TEST_F(UpstreamFiles, StartTheRouter) {
  const net::NatsTestServer nats("authorization { user: nats, password: secret }\n");
  std::string text = upstream_text("gorouter.yml");
  const auto replace = [&text](const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  };
  replace("  port: 8080", "  port: " + port_of(free_address()));
  replace("    port: 8082", "    port: " + port_of(free_address()));
  replace("\nport: 80\n", "\nport: " + port_of(free_address()) + "\n");
  replace("hostname: 10.0.1.5\n    port: 4224", "hostname: 127.0.0.1\n    port: " + std::to_string(nats.port()));
  replace("127.0.0.1:17002", free_address());
  replace("/var/vcap/sys/log/gorouter/access.log", our_path("/var/vcap/sys/log/gorouter/access.log"));
  replace("/var/vcap/sys/run/gorouter/gorouter.pid", our_path("/var/vcap/sys/run/gorouter/gorouter.pid"));
  replace("start_response_delay_interval: 20s", "start_response_delay_interval: 100ms");
  replace("drain_wait: 20s", "drain_wait: 0s");
  base::TestProgram router({base::bin_dir() + "/gorouter", "-c", write("gorouter.yml", text)});
  router.wait_for("gorouter.configuration.key-not-built");
  router.wait_for("gorouter.started");
  EXPECT_EQ(router.end(SIGTERM), 0);
}

// Without the lines that have `key`.
std::string lines_without(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  std::string kept, line;
  while (std::getline(lines, line)) {
    if (line.find(key) == std::string::npos) kept += line + "\n";
  }
  return kept;
}

TEST_F(UpstreamFiles, StartGardenUnlessTheyAskForWhatTheMachineDoesNotHave) {
  ASSERT_EQ(garden::TestGarden::obstacle(), "");
  std::string ours = lines_without(upstream_text("garden.ini"), "image-plugin");
  const auto replace = [&ours](const std::string& from, const std::string& to) {
    const auto at = ours.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    ours.replace(at, from.size(), to);
  };
  replace("/var/vcap/packages/guardian/bin/init", base::bin_dir() + "/garden-init");
  replace("/var/vcap/packages/runc/bin/runc", "runc");
  replace("debug-bind-port = 17019", "debug-bind-port = " + port_of(free_address()));
  replace("/var/vcap/data/garden/port-pool-props.json", our_path("/var/vcap/data/garden/port-pool-props.json"));

  const std::string whole = write("whole.ini", upstream_text("garden.ini"));
  EXPECT_THAT(refusal({base::bin_dir() + "/garden", "--config", whole, "server"}, 1), HasSubstr("--image-plugin"));

  // Upstream's runc refuses each container if the kernel has no AppArmor; ours refuses to start.
  const std::string parameter = "/sys/module/apparmor/parameters/enabled";
  if (!fs::exists(parameter) || !base::read_file(parameter).starts_with('Y')) {
    EXPECT_THAT(refusal({base::bin_dir() + "/garden", "--config", write("profile.ini", ours), "server"}, 1),
                HasSubstr("--apparmor"));
    ours = lines_without(ours, "apparmor");
  }

  // Its socket, depot, network and names are this test's, by flags that count before the file's.
  garden::TestGarden garden({"--config", write("garden.ini", ours)});
  EXPECT_THAT(base::read_file(garden.directory() + "/garden.log"), HasSubstr("guardian.started"));
}

}  // namespace
}  // namespace rivera
