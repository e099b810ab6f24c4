// A PostgreSQL or MariaDB of our own, with a data directory of its own, on a Unix socket: for simulations, benchmarks
// and tests.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/process/child_process.h"
#include "sql/database_config.h"

namespace rivera::sql {

// A server process from its start to the end of this object. Blocks; making one takes some seconds.
class LocalServer {
 public:
  // False: its programs are not installed.
  static bool is_installed(Engine engine);
  // Throws std::runtime_error with the server's log if it does not come up within a minute.
  // Its data is kept below `parent` ("" = where temporary files are).
  explicit LocalServer(Engine engine, const std::filesystem::path& parent = "");
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  // For an empty database "rivera".
  DatabaseConfig config() const;
  // The Unix socket it listens on.
  std::string socket_path() const;
  // kill -9 of its first process (the others notice), and a new start on the same data.
  void kill();
  void start();
  // If it has ended by itself.
  void start_if_ended();
  // Runs a file of SQL through the engine's own shell; for dumps.
  void load(const std::string& path);

 private:
  void make_data();
  void start_process();
  void wait_until_up();
  std::vector<std::string> as_owner(std::vector<std::string> command) const;

  Engine engine_;
  base::TemporaryDirectory directory_;
  std::string owner_;  // the system user it runs as; "" = ours
  std::optional<base::ChildProcess> process_;
};

}  // namespace rivera::sql
