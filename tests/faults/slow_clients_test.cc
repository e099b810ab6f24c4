// Clients that take their time, or never come to an end: every server that speaks HTTP, and Locket's port, ends the
// connection at its own limit, and holds little for it.
#include <fstream>
#include <map>
#include <regex>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/units.h"
#include "base/work/task_group.h"
#include "clients/garden/garden_client.h"
#include "cluster/prepare/certificates.h"
#include "faults/slow_client.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint16_t kRouterTlsPort = 8443;
constexpr std::uint16_t kStatusTlsPort = 8444;
constexpr std::uint16_t kFilesTlsPort = 8445;
constexpr std::uint16_t kFilesDebugPort = 8446;

// What every server is configured with.
constexpr seconds kHead{3}, kBody{3}, kTransfer{7}, kWrite{3}, kIdle{4}, kHandshake{5};
constexpr seconds kRouterDiscards{1};  // the rest of a body that no application gets: no key

// A limit may be noticed so much early, as its clock is not the client's, and so much late on a busy machine.
constexpr milliseconds kEarly{400};
constexpr seconds kLate{8};

constexpr milliseconds kBetweenBytes{100};
constexpr std::size_t kFlood = 64u << 20;
constexpr std::size_t kMostGrowth = 8u << 20;  // resident, for one connection

std::string text_of(seconds limit) { return fmt::format("{}s", limit.count()); }

void set_limits(json::object& config) {
  config["client_limits"] = json::object{
      {"handshake_timeout", text_of(kHandshake)}, {"head_timeout", text_of(kHead)},   {"body_timeout", text_of(kBody)},
      {"transfer_timeout", text_of(kTransfer)},   {"write_timeout", text_of(kWrite)}, {"idle_timeout", text_of(kIdle)}};
}

// Any server's certificate will do where there is no other: it has the machine's address.
net::TlsFiles server_files(const cluster::Settings& machine) { return cluster::tls_files(machine, "nats"); }

void set_router(const cluster::Settings& machine, json::object& config) {
  const std::string chain = base::read_file(server_files(machine).certificate_file);
  const std::string key = base::read_file(server_files(machine).key_file);
  config["frontend_idle_timeout"] = text_of(kIdle);
  config["read_header_timeout"] = text_of(kHead);
  config["enable_ssl"] = true;
  config["ssl_port"] = kRouterTlsPort;
  config["tls_pem"] = json::array{json::object{{"cert_chain", chain}, {"private_key", key}}};
  config["cipher_suites"] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
  config["client_cert_validation"] = "none";
  config["status"].as_object()["tls"] = json::object{{"port", kStatusTlsPort}, {"certificate", chain}, {"key", key}};
  config["debug_addr"] = fmt::format("0.0.0.0:{}", machine.ports.gorouter_debug());
}

void set_file_server(const cluster::Settings& machine, json::object& config) {
  config["https_server_enabled"] = true;
  config["https_listen_addr"] = fmt::format("0.0.0.0:{}", kFilesTlsPort);
  config["cert_file"] = server_files(machine).certificate_file;
  config["key_file"] = server_files(machine).key_file;
  config["debug_address"] = fmt::format("0.0.0.0:{}", kFilesDebugPort);
}

void change_config(const cluster::Settings& machine, const std::string& program, json::object& config) {
  set_limits(config);
  const auto& ports = machine.ports;
  const std::map<std::string, std::uint16_t> debug_ports{{"locket", ports.locket_debug()},
                                                         {"bbs", ports.bbs_debug()},
                                                         {"auctioneer", ports.auctioneer_debug()},
                                                         {"rep", ports.rep_debug()},
                                                         {"route-emitter", ports.route_emitter_debug()}};
  if (const auto found = debug_ports.find(program); found != debug_ports.end()) {
    config["debug_address"] = fmt::format("0.0.0.0:{}", found->second);
  }
  if (program == "route-emitter") {
    config["healthcheck_address"] = fmt::format("0.0.0.0:{}", ports.route_emitter_health());
  }
  if (program == "gorouter") set_router(machine, config);
  if (program == "file-server") set_file_server(machine, config);
}

ClusterPlan plan() {
  ClusterPlan out;
  out.change_config = change_config;
  out.garden_flags = {"--read-header-timeout=" + text_of(kHead),  "--read-body-timeout=" + text_of(kBody),
                      "--transfer-timeout=" + text_of(kTransfer), "--write-timeout=" + text_of(kWrite),
                      "--idle-timeout=" + text_of(kIdle),         "--debug-bind-ip=0.0.0.0"};
  return out;
}

struct Server {
  std::string name;
  std::string machine;
  std::string program;
  std::string scheme;               // "http", "https", "unix", or "grpc": TLS, no HTTP/1
  std::uint16_t port = 0;           // 0: a Unix socket
  std::string caller = "client";    // whose certificate the client shows
  std::string writes = "POST /";    // a request with a body
  bool reads_body = false;          // such a request's handler reads it
  seconds body = kBody;             // for the rest of a body
  std::string gets = "GET /";       // a request without one
  std::string refuses = "400|413";  // a body that is none: the status. Garden as upstream, by its decoder's error
};

constexpr char kDebugWrites[] = "PUT /log-level";  // its handler reads up to 64 bytes

// One row for each server of Rivera.
std::vector<Server> servers(const cluster::Ports& p) {
  return {
      {"the BBS's API", "control-1", "bbs", "https", p.bbs(), "client", "POST /v1/domains/list", true},
      {"the BBS's health address", "control-1", "bbs", "http", p.bbs_health()},
      {"the BBS's debug address", "control-1", "bbs", "http", p.bbs_debug(), "", kDebugWrites, true},
      {"Locket", "control-1", "locket", "grpc", p.locket()},
      {"Locket's debug address", "control-1", "locket", "http", p.locket_debug(), "", kDebugWrites, true},
      {"the auctioneer", "control-1", "auctioneer", "https", p.auctioneer(), "bbs", "POST /v1/tasks", true},
      {"the auctioneer's debug address", "control-1", "auctioneer", "http", p.auctioneer_debug(), "", kDebugWrites,
       true},
      {"the file server", "router", "file-server", "http", p.file_server()},
      {"the file server with TLS", "router", "file-server", "https", kFilesTlsPort, "client", "GET /v1/static/none",
       false, kBody, "GET /v1/static/large"},
      {"the file server's debug address", "router", "file-server", "http", kFilesDebugPort, "", kDebugWrites, true},
      {"the router", "router", "gorouter", "http", p.router(), "", "POST /", false, kRouterDiscards},
      {"the router with TLS", "router", "gorouter", "https", kRouterTlsPort, "client", "POST /", false,
       kRouterDiscards},
      {"the router's status", "router", "gorouter", "http", p.router_status()},
      {"the router's status with TLS", "router", "gorouter", "https", kStatusTlsPort},
      {"the router's debug address", "router", "gorouter", "http", p.gorouter_debug(), "", kDebugWrites, true},
      {"garden", "cell-1", "garden", "unix", 0, "", "POST /containers", true, kBody, "GET /capacity", "500"},
      {"garden's debug address", "cell-1", "garden", "http", 17013, "", kDebugWrites, true},
      {"the rep", "cell-1", "rep", "https", p.rep(), "auctioneer", "POST /work", true},
      {"the rep's admin address", "cell-1", "rep", "https", p.rep_admin()},
      {"the rep's debug address", "cell-1", "rep", "http", p.rep_debug(), "", kDebugWrites, true},
      {"the route emitter's health address", "cell-1", "route-emitter", "http", p.route_emitter_health()},
      {"the route emitter's debug address", "cell-1", "route-emitter", "http", p.route_emitter_debug(), "",
       kDebugWrites, true},
  };
}

// One client of one server, and what is expected to become of it.
struct Case {
  std::string name;
  Server server;
  Trickle client = {};
  bool plain = false;     // no TLS, although the server expects it
  milliseconds least{0};  // how long the connection lasts
  milliseconds most{0};
  std::string statuses = ".*";  // of the answer: a pattern
  std::size_t grown = 0;        // resident bytes at the highest, if they were measured
  TrickleResult result = {};

  void lasts(seconds limit) {
    least = limit - kEarly;
    most = limit + kLate;
  }
};

std::string head_of(const std::string& request, const std::string& rest) {
  return request + " HTTP/1.1\r\nHost: x\r\n" + rest;
}

constexpr char kChunked[] = "Transfer-Encoding: chunked\r\n\r\n";

class SlowClients : public ::testing::Test {
 protected:
  net::Endpoint endpoint_of(const Case& c) const {
    const Server& server = c.server;
    if (server.port == 0) {
      return net::Endpoint::parse("unix:" +
                                  (cluster_.machine(server.machine).directory() / "run/garden.sock").string());
    }
    const bool tls = server.scheme == "https" && !c.plain;
    return net::Endpoint::parse(
        fmt::format("{}://{}:{}", tls ? "https" : "http", cluster_.address_of(server.machine), server.port));
  }

  std::optional<net::TlsContext> tls_of(const Case& c) const {
    if (c.server.scheme != "https" || c.plain) return std::nullopt;
    return net::TlsContext::client(cluster::tls_files(cluster_.settings(), c.server.caller));
  }

  std::vector<Server> all_servers() const { return servers(cluster_.settings().ports); }

  asio::awaitable<void> run(Case& c) const { c.result = co_await trickle(endpoint_of(c), tls_of(c), c.client); }

  // All at the same time.
  asio::awaitable<void> run_together(std::vector<Case>& cases) const {
    const auto executor = co_await asio::this_coro::executor;
    base::TaskGroup group(executor, base::Logger::discard());
    for (Case& c : cases) group.spawn(c.name, run(c));
    co_await group.join();
  }

  // One after the other, with what the program's memory grows by.
  asio::awaitable<void> run_measured(std::vector<Case*> cases) const {
    for (Case* c : cases) {
      const std::size_t before = begin_to_measure(c->server);
      co_await run(*c);
      const std::size_t peak = memory_of(c->server, "VmHWM");
      c->grown = peak > before ? peak - before : 0;
    }
  }

  static void expect_as_planned(const Case& c) {
    const std::string what = c.server.name + ": " + c.name;
    EXPECT_EQ(c.result.failure, "") << what;
    EXPECT_TRUE(c.result.was_cut) << what << ", still there after " << c.result.lasted.count() << " ms, "
                                  << c.result.sent << " bytes";
    EXPECT_GE(c.result.lasted, c.least) << what << ": " << c.result.status_line();
    EXPECT_LE(c.result.lasted, c.most) << what << ": " << c.result.status_line();
    EXPECT_TRUE(std::regex_match(c.result.status_line(), std::regex(c.statuses)))
        << what << ": " << c.result.status_line();
    EXPECT_LT(c.grown, kMostGrowth) << what << ", after " << c.result.sent << " bytes";
  }

  static std::string proc_of(const Machine& machine, pid_t pid) {
    return fmt::format("/proc/{}/root/proc/{}/", machine.first_process(), pid);
  }

  std::size_t memory_of(const Server& server, const std::string& field) const {
    Machine& machine = cluster_.machine(server.machine);
    std::ifstream status(proc_of(machine, machine.state_of(server.program).pid) + "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1)) * 1024;
    }
    ADD_FAILURE() << server.program << " has no " << field;
    return 0;
  }

  // Forgets the highest memory so far. Returns the present one.
  std::size_t begin_to_measure(const Server& server) const {
    Machine& machine = cluster_.machine(server.machine);
    std::ofstream(proc_of(machine, machine.state_of(server.program).pid) + "clear_refs") << "5";
    return memory_of(server, "VmRSS");
  }

  const MachineCluster cluster_{plan()};
};

void add_handshakes(std::vector<Case>& cases, const Server& server) {
  if (server.scheme != "https" && server.scheme != "grpc") return;
  Case silent{.name = "a handshake that does not begin", .server = server, .plain = true};
  silent.lasts(kHandshake);
  cases.push_back(silent);
  Case slow{.name = "a handshake that does not end", .server = server, .plain = true};
  slow.client.begin = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  slow.client.piece = "x";
  slow.client.pause = kBetweenBytes;
  slow.lasts(kHandshake);
  cases.push_back(slow);
}

void add_slow_requests(std::vector<Case>& cases, const Server& server) {
  if (server.scheme == "grpc") return;
  const auto add = [&](const char* name, std::string begin, std::string piece, seconds limit) {
    Case c{.name = name, .server = server};
    c.client.begin = std::move(begin);
    c.client.piece = std::move(piece);
    c.client.pause = kBetweenBytes;
    c.lasts(limit);
    cases.push_back(std::move(c));
  };
  add("a head that trickles", head_of(server.gets, "X-Slow: "), "x", kHead);
  add("a second head that trickles", head_of("GET /none", "\r\n") + head_of("GET /none", "X-Slow: "), "x", kHead);
  add("a body that trickles", head_of(server.writes, "Content-Length: 64\r\n\r\n"), "x", server.body);
  add("a chunk's extension that trickles", head_of(server.writes, kChunked) + "1;", "x", server.body);
  add("no request", "", "", kIdle);
  add("no second request", head_of("GET /none", "\r\n"), "", kIdle);
}

TEST_F(SlowClients, AreCutAtTheServersLimit) {
  std::vector<Case> cases;
  for (const Server& server : all_servers()) {
    add_handshakes(cases, server);
    add_slow_requests(cases, server);
  }
  cluster::run_coroutine(run_together(cases));
  for (const Case& c : cases) expect_as_planned(c);
}

void add_floods(std::vector<Case>& cases, const Server& server) {
  if (server.scheme == "grpc") return;
  const auto add = [&](const char* name, std::string begin, const std::string& piece, const std::string& statuses) {
    Case c{.name = name, .server = server};
    c.client.begin = std::move(begin);
    while (c.client.piece.size() < 64 * base::kKibibyte) c.client.piece += piece;
    c.client.most = kFlood;
    c.most = seconds(20);
    c.statuses = statuses;
    cases.push_back(std::move(c));
  };
  // Where no handler reads the body, the answer is there before it.
  const std::string refused = server.reads_body ? fmt::format("HTTP/1.1 ({}) .*", server.refuses) : ".*";
  const char* head_refused = "HTTP/1.1 (400|431) .*";
  const std::string body = head_of(server.writes, kChunked);
  const std::string filler(4000, 'x');
  add("an extension without end", body + "1;", filler, refused);
  add("extensions without end", body, "1;" + filler + "\r\ny\r\n", refused);
  add("trailers without end", body + "0\r\n", "X: " + filler + "\r\n", refused);
  add("a header field without end", head_of(server.gets, "X: "), filler, head_refused);
  add("header fields without end", head_of(server.gets, ""), "X: " + filler + "\r\n", head_refused);
}

// Answers that are not read fill the connection, and the server waits.
void add_deaf_clients(std::vector<Case>& cases, const Server& server) {
  if (server.scheme == "grpc") return;
  Case c{.name = "answers that are not read", .server = server};
  const std::string request = head_of(server.gets, "\r\n");
  while (c.client.piece.size() < 64 * base::kKibibyte) c.client.piece += request;
  c.client.reads = false;
  c.lasts(kWrite);
  c.most += seconds(15);  // until it is full
  c.client.patience = seconds(30);
  cases.push_back(std::move(c));
}

TEST_F(SlowClients, CostLittleHoweverMuchTheySend) {
  {
    std::ofstream large(cluster_.settings().static_dir() / "large");
    large.seekp(std::streamoff{256} << 20);
    large << "end";
  }
  std::vector<Case> cases;
  for (const Server& server : all_servers()) {
    add_floods(cases, server);
    add_deaf_clients(cases, server);
  }
  std::map<std::string, std::vector<Case*>> by_program;
  for (Case& c : cases) by_program[c.server.program].push_back(&c);
  const auto all = [&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    base::TaskGroup group(executor, base::Logger::discard());
    for (const auto& [program, of_program] : by_program) group.spawn(program, run_measured(of_program));
    co_await group.join();
  };
  cluster::run_coroutine(all());
  for (const Case& c : cases) expect_as_planned(c);
}

// Of a transfer into a container each byte is used as it comes: there is no end by which all must have come, but a
// least rate, and a longest time.
TEST_F(SlowClients, MayNotKeepATransferIntoAContainerOpen) {
  std::vector<Case> cases;
  for (const Server& server : all_servers()) {
    if (server.name != "garden") continue;
    const std::string head = head_of("PUT /containers/slow/files?user=root&destination=/tmp", kChunked);
    Case trickles{.name = "a transfer that trickles", .server = server};
    trickles.client.begin = head;
    trickles.client.piece = "1\r\nx\r\n";
    trickles.client.pause = kBetweenBytes;
    trickles.lasts(kBody);
    cases.push_back(trickles);
    Case endless{.name = "a transfer that does not end", .server = server};
    endless.client.begin = head;
    endless.client.piece = "4000\r\n" + std::string(0x4000, '\0') + "\r\n";  // 160 KiB a second
    endless.client.pause = kBetweenBytes;
    endless.lasts(kTransfer);
    cases.push_back(endless);
  }
  ASSERT_EQ(cases.size(), 2u);
  const auto all = [&]() -> asio::awaitable<void> {
    clients::GardenClientOptions options;
    options.address = endpoint_of(cases[0]).text();
    const auto executor = co_await asio::this_coro::executor;
    clients::GardenClient garden(executor, options);
    clients::garden::ContainerSpec spec;
    spec.handle = "slow";
    co_await garden.create(spec);
    co_await run_together(cases);
    co_await garden.destroy("slow");
  };
  cluster::run_coroutine(all());
  for (const Case& c : cases) expect_as_planned(c);
}

}  // namespace
}  // namespace rivera::harness
