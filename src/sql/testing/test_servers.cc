#include "sql/testing/test_servers.h"

#include <chrono>
#include <fcntl.h>
#include <ostream>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/process/subprocess.h"
#include "sql/database.h"

extern char** environ;

namespace rivera::sql {
namespace {

const char* const kPostgresPrograms = "/usr/lib/postgresql/15/bin/";
const char* const kMariadb = "/usr/sbin/mariadbd";

base::CommandOptions patient() {
  base::CommandOptions options;
  options.timeout = std::chrono::minutes(2);
  return options;
}

}  // namespace

void PrintTo(Engine engine, std::ostream* out) { *out << to_string(engine); }

bool TestServer::is_installed(Engine engine) {
  if (engine == Engine::kPostgres) return access((std::string(kPostgresPrograms) + "initdb").c_str(), X_OK) == 0;
  return engine == Engine::kMysql && access(kMariadb, X_OK) == 0;
}

TestServer::TestServer(Engine engine, const std::filesystem::path& parent)
    : engine_(engine), directory_((parent / "rivera-db-").string()) {
  // Neither server runs as root.
  if (geteuid() == 0) owner_ = engine == Engine::kPostgres ? "postgres" : "mysql";
  if (const passwd* user = owner_.empty() ? nullptr : getpwnam(owner_.c_str())) {
    if (chown(directory_.path().c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown failed");
  }
  make_data();
  start();
}

TestServer::~TestServer() {
  if (pid_ <= 0) return;
  ::kill(pid_, engine_ == Engine::kPostgres ? SIGINT : SIGTERM);
  waitpid(pid_, nullptr, 0);
}

std::vector<std::string> TestServer::as_owner(std::vector<std::string> command) const {
  if (!owner_.empty())
    command.insert(command.begin(), {"setpriv", "--reuid", owner_, "--regid", owner_, "--clear-groups"});
  return command;
}

void TestServer::make_data() {
  const std::string data = directory_.path() / "data";
  if (engine_ == Engine::kPostgres) {
    base::must_run(as_owner({std::string(kPostgresPrograms) + "initdb", "-D", data, "-U", "postgres", "-A", "trust",
                             "-E", "UTF8", "--no-locale", "--no-sync"}),
                   patient());
  } else {
    base::must_run(as_owner({"mariadb-install-db", "--no-defaults", "--datadir=" + data, "--skip-test-db",
                             "--auth-root-authentication-method=normal"}),
                   patient());
  }
}

void TestServer::start() {
  spawn();
  wait_until_up();
}

void TestServer::start_if_ended() {
  if (waitpid(pid_, nullptr, WNOHANG) == pid_) start();
}

void TestServer::spawn() {
  const std::string directory = directory_.path();
  std::vector<std::string> command;
  if (engine_ == Engine::kPostgres) {
    command = as_owner({std::string(kPostgresPrograms) + "postgres", "-D", directory + "/data", "-k", directory, "-c",
                        "listen_addresses="});
  } else {
    command = as_owner({kMariadb, "--no-defaults", "--datadir=" + directory + "/data", "--skip-networking",
                        "--socket=" + directory + "/socket", "--pid-file=" + directory + "/pid",
                        "--innodb-buffer-pool-size=32M"});
  }
  std::vector<char*> argv;
  for (auto& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string log = directory + "/log";
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int failed = posix_spawnp(&pid_, argv.front(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start the database server");
}

void TestServer::wait_until_up() {
  // The engine's own first database, until ours is there.
  DatabaseConfig first = config();
  first.connection_string = engine_ == Engine::kPostgres
                                ? "host=" + directory_.path().string() + " user=postgres dbname=postgres"
                                : "root@unix(" + directory_.path().string() + "/socket)/mysql";
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (true) {
    try {
      Database::open(first)->connect().execute_script("CREATE DATABASE rivera");
      return;
    } catch (const Error& e) {
      if (e.error_class() != ErrorClass::kConnection) return;  // it exists: started again
      if (std::chrono::steady_clock::now() > end) {
        throw std::runtime_error("the database server does not come up: " + base::read_file(directory_.path() / "log"));
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    // While a killed server's other processes are going, the new one refuses to start.
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) spawn();
  }
}

DatabaseConfig TestServer::config() const {
  DatabaseConfig result;
  result.engine = engine_;
  result.connection_string = engine_ == Engine::kPostgres
                                 ? "host=" + directory_.path().string() + " user=postgres dbname=rivera"
                                 : "root@unix(" + directory_.path().string() + "/socket)/rivera";
  return result;
}

std::string TestServer::socket_path() const {
  return directory_.path().string() + (engine_ == Engine::kPostgres ? "/.s.PGSQL.5432" : "/socket");
}

void TestServer::kill() {
  // PostgreSQL's other processes notice that the first one is gone.
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void TestServer::load(const std::string& path) {
  base::CommandOptions options = patient();
  options.input = base::read_file(path);
  const std::string directory = directory_.path();
  if (engine_ == Engine::kPostgres) {
    base::must_run({"psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", directory, "-U", "postgres", "rivera"}, options);
  } else {
    base::must_run({"mariadb", "--no-defaults", "--socket=" + directory + "/socket", "-u", "root", "rivera"}, options);
  }
}

}  // namespace rivera::sql
