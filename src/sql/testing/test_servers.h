// Real database servers for tests: PostgreSQL and MariaDB, each with a data directory of its own, on a Unix socket.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/files.h"
#include "sql/database_config.h"

namespace rivera::sql {

// How an engine is shown as a test's parameter.
void PrintTo(Engine engine, std::ostream* out);

// A server process from its start to the end of this object. Making one takes some seconds: make one per test program.
class TestServer {
 public:
  // False: its programs are not installed, and tests that want it are to be skipped.
  static bool is_installed(Engine engine);
  // Throws std::runtime_error with the server's log if it does not come up within a minute.
  // Its data is kept below `parent` (""= where temporary files are).
  explicit TestServer(Engine engine, const std::filesystem::path& parent = "");
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  // For an empty database "rivera".
  DatabaseConfig config() const;
  // The Unix socket it listens on.
  std::string socket_path() const;
  // kill -9 of every process of it, and a new start on the same data.
  void kill();
  void start();
  // If it has ended by itself.
  void start_if_ended();
  // Runs a file of SQL through the engine's own shell; for dumps.
  void load(const std::string& path);

 private:
  void make_data();
  void spawn();
  void wait_until_up();
  std::vector<std::string> as_owner(std::vector<std::string> command) const;

  Engine engine_;
  base::TemporaryDirectory directory_;
  std::string owner_;  // the system user it runs as; "" = ours
  pid_t pid_ = 0;
};

}  // namespace rivera::sql
