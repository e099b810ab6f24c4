#include "sql/servers/local_server.h"

#include <chrono>
#include <pwd.h>
#include <signal.h>
#include <stdexcept>
#include <thread>
#include <unistd.h>

#include "base/process/subprocess.h"
#include "sql/database.h"

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

bool LocalServer::is_installed(Engine engine) {
  if (engine == Engine::kPostgres) return access((std::string(kPostgresPrograms) + "initdb").c_str(), X_OK) == 0;
  return engine == Engine::kMysql && access(kMariadb, X_OK) == 0;
}

LocalServer::LocalServer(Engine engine, const std::filesystem::path& parent)
    : engine_(engine), directory_((parent / "rivera-db-").string()) {
  // Neither server runs as root.
  if (geteuid() == 0) owner_ = engine == Engine::kPostgres ? "postgres" : "mysql";
  if (const passwd* user = owner_.empty() ? nullptr : getpwnam(owner_.c_str())) {
    if (chown(directory_.path().c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown failed");
  }
  make_data();
  start();
}

LocalServer::~LocalServer() {
  if (!process_) return;
  process_->signal(engine_ == Engine::kPostgres ? SIGINT : SIGTERM);
  process_->wait_for(std::chrono::minutes(1));  // then it is killed
}

std::vector<std::string> LocalServer::as_owner(std::vector<std::string> command) const {
  if (!owner_.empty())
    command.insert(command.begin(), {"setpriv", "--reuid", owner_, "--regid", owner_, "--clear-groups"});
  return command;
}

void LocalServer::make_data() {
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

void LocalServer::start() {
  start_process();
  wait_until_up();
}

void LocalServer::start_if_ended() {
  if (process_ && process_->try_wait()) start();
}

void LocalServer::start_process() {
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
  process_ = base::start_logged(command, directory + "/log");
}

void LocalServer::wait_until_up() {
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
        throw std::runtime_error("the database server does not start: " + base::read_file(directory_.path() / "log"));
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    // While a killed server's other processes are going, the new one refuses to start.
    if (process_->try_wait()) start_process();
  }
}

DatabaseConfig LocalServer::config() const {
  DatabaseConfig result;
  result.engine = engine_;
  result.connection_string = engine_ == Engine::kPostgres
                                 ? "host=" + directory_.path().string() + " user=postgres dbname=rivera"
                                 : "root@unix(" + directory_.path().string() + "/socket)/rivera";
  return result;
}

std::string LocalServer::socket_path() const {
  return directory_.path().string() + (engine_ == Engine::kPostgres ? "/.s.PGSQL.5432" : "/socket");
}

void LocalServer::kill() {
  // PostgreSQL's other processes notice that the first one has ended.
  process_.reset();
}

void LocalServer::load(const std::string& path) {
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
