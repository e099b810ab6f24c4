#include "stage.h"

#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "clients/locket/locket_client.h"
#include "net/http/http_client.h"

namespace rivera::bench {
namespace {

namespace json = boost::json;

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

std::string presence_of(const std::string& cell) {
  const json::object presence = {{"cell_id", cell},
                                 {"rep_address", "http://127.0.0.1:1"},
                                 {"rep_url", "https://127.0.0.1:1"},
                                 {"zone", "z1"},
                                 {"capacity", {{"memory_mb", 1}, {"disk_mb", 1}, {"containers", 1}}}};
  return json::serialize(presence);
}

}  // namespace

Program::Program(const std::string& name, const std::string& config_path, const std::string& directory)
    : name_(name), log_path_(config_path + ".log") {
  const base::UniqueFd log(open(log_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!log) throw std::runtime_error("cannot write " + log_path_);
  base::ChildOptions options;
  options.output = log.get();
  options.error = STDERR_FILENO;
  process_.emplace(std::vector<std::string>{directory + "/" + name, "-config", config_path}, options);
  log_file_.open(log_path_);
}

Program::~Program() = default;

double Program::wait_for(const std::string& message) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (std::chrono::steady_clock::now() < deadline) {
    std::string text;
    if (!std::getline(log_file_, text) || log_file_.eof()) {
      log_file_.clear();
      log_ += text;  // the beginning of a line
      if (process_->try_wait()) throw std::runtime_error(name_ + " ended");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      continue;
    }
    const auto line = json::parse(log_ + text).as_object();
    log_.clear();
    if (line.at("message").as_string() == message) return std::stod(std::string(line.at("timestamp").as_string()));
  }
  throw std::runtime_error(name_ + " has not logged " + message);
}

void Program::end(int signal) {
  process_->signal(signal);
  process_->wait_for(std::chrono::minutes(2));
}

double Program::cpu_seconds() const {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(process_->pid(), &clock) != 0 || clock_gettime(clock, &used) != 0) {
    throw std::runtime_error(name_ + " ended");
  }
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double Program::resident_bytes() const {
  std::ifstream file(fmt::format("/proc/{}/statm", process_->pid()));
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

Stage::Stage(sql::Engine engine) : engine_(engine) {
  if (engine != sql::Engine::kSqlite) database_ = std::make_unique<sql::TestServer>(engine);
  start_auctioneer();
  start_locket();
  bbs_ = start_bbs(base::bin_dir());
  bbs_->wait_for("bbs.started");
}

Stage::~Stage() {
  bbs_.reset();
  locket_.reset();
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

std::string Stage::write(const std::string& name, const json::object& config) {
  const auto path = directory_.path() / name;
  base::write_file_atomically(path, json::serialize(config));
  return path;
}

json::object Stage::database_config() {
  if (!database_) {
    return {{"database_driver", "sqlite3"}, {"database_connection_string", (directory_.path() / "bbs.db").string()}};
  }
  const char* driver = engine_ == sql::Engine::kPostgres ? "postgres" : "mysql";
  return {{"database_driver", driver}, {"database_connection_string", database_->config().connection_string}};
}

void Stage::start_auctioneer() {
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  const auto accept = [](net::HttpExchange& exchange) -> asio::awaitable<void> {
    co_await exchange.read_body(64u << 20);
    net::HttpResponse accepted;
    accepted.status = 202;
    co_await exchange.respond(std::move(accepted));
  };
  auctioneer_ = std::make_unique<net::HttpServer>(io_.get_executor(), options, accept, base::Logger::discard());
  auctioneer_->listen();
  auctioneer_->start();
  thread_ = std::thread([this] {
    const auto work = boost::asio::make_work_guard(io_);
    io_.run();
  });
}

void Stage::start_locket() {
  locket_address_ = free_address();
  const json::object config = {{"listen_address", locket_address_},
                               {"ca_file", certificates_.server().ca_file},
                               {"cert_file", certificates_.server().certificate_file},
                               {"key_file", certificates_.server().key_file},
                               {"database_driver", "sqlite3"},
                               {"database_connection_string", (directory_.path() / "locket.db").string()}};
  locket_ = std::make_unique<Program>("locket", write("locket.json", config));
  locket_->wait_for("locket.started");
}

std::unique_ptr<Program> Stage::start_bbs(const std::string& programs) {
  const net::TlsFiles& tls = certificates_.server();
  api_address_ = free_address();
  debug_address_ = free_address();
  json::object config = {{"uuid", fmt::format("bbs-{}", ++started_)},
                         {"listen_address", api_address_},
                         {"health_address", free_address()},
                         {"debug_address", debug_address_},
                         {"ca_file", tls.ca_file},
                         {"cert_file", tls.certificate_file},
                         {"key_file", tls.key_file},
                         {"encryption_keys", {{"k1", "a secure passphrase"}}},
                         {"active_key_label", "k1"},
                         {"auctioneer_address", "http://" + auctioneer_->address()},
                         {"converge_repeat_interval", "2s"},
                         {"locket_address", locket_address_},
                         {"locket_ca_cert_file", tls.ca_file},
                         {"locket_client_cert_file", tls.certificate_file},
                         {"locket_client_key_file", tls.key_file},
                         {"lock_ttl", "5s"},
                         {"lock_retry_interval", "500ms"},
                         {"rep_require_tls", true}};
  for (const auto& [key, value] : database_config()) config[key] = value;
  return std::make_unique<Program>("bbs", write(fmt::format("bbs-{}.json", started_), config), programs);
}

void Stage::add_cells(int count) {
  clients::LocketClientOptions options;
  options.address = locket_address_;
  options.tls = certificates_.client();
  const auto adding = [count, options](asio::any_io_executor executor) -> asio::awaitable<void> {
    clients::LocketClient locket(executor, options);
    for (int i = 0; i < count; ++i) {
      clients::LocketResource cell;
      cell.key = fmt::format("cell-{}", i);
      cell.owner = cell.key;
      cell.value = presence_of(cell.key);
      cell.type = clients::LocketType::kPresence;
      co_await locket.lock(std::move(cell), std::chrono::hours(10));
    }
  };
  asio::co_spawn(io_, adding(io_.get_executor()), asio::use_future).get();
}

double Stage::take_over(const std::string& programs) {
  bbs_->end(SIGKILL);
  bbs_ = start_bbs(programs);
  const double locked = bbs_->wait_for("bbs.locket-lock.acquired-lock");
  return bbs_->wait_for("bbs.started") - locked;
}

double Stage::convergence_runs() {
  const auto asking = [this]() -> asio::awaitable<std::string> {
    net::HttpClient client(io_.get_executor());
    net::HttpRequest request;
    request.method = "GET";
    request.target = "/metrics";
    auto sending = client.send(net::Endpoint::parse("http://" + debug_address_), std::move(request));
    net::HttpResponse response = co_await std::move(sending);
    co_return std::move(response.body);
  };
  const std::string text = asio::co_spawn(io_, asking(), asio::use_future).get();
  constexpr std::string_view kName = "\nbbs_convergence_lrp_runs ";
  const auto at = text.find(kName);
  return at == std::string::npos ? 0 : std::stod(text.substr(at + kName.size()));
}

}  // namespace rivera::bench
