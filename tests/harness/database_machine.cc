#include "harness/database_machine.h"

#include <fstream>
#include <pwd.h>
#include <stdexcept>
#include <unistd.h>

#include "harness/cluster_client.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;

const fs::path kPrograms = "/usr/lib/postgresql/15/bin";
constexpr char kOwner[] = "postgres";  // it does not run as root

std::vector<std::string> as_owner(std::vector<std::string> command) {
  command.insert(command.begin(), {"setpriv", "--reuid", kOwner, "--regid", kOwner, "--clear-groups"});
  return command;
}

fs::path make_directory(const Machine& machine) {
  const passwd* owner = ::getpwnam(kOwner);
  if (owner == nullptr) throw std::runtime_error("there is no user postgres");
  fs::path directory = machine.directory() / "server";
  fs::create_directories(directory);
  if (::chown(directory.c_str(), owner->pw_uid, owner->pw_gid) != 0) throw std::runtime_error("chown failed");
  return directory;
}

}  // namespace

void make_database_server(Machine& machine, const std::vector<std::string>& databases) {
  const fs::path directory = make_directory(machine);
  const fs::path data = directory / "data";
  machine.run("initdb", as_owner({kPrograms / "initdb", "-D", data, "-U", kOwner, "-A", "trust", "-E", "UTF8",
                                  "--no-locale", "--no-sync"}));
  std::ofstream(data / "pg_hba.conf", std::ios::app) << "host all all 0.0.0.0/0 trust\n";
  machine.start("postgres", as_owner({kPrograms / "postgres", "-D", data, "-k", directory, "-c", "listen_addresses=*",
                                      "-c", "fsync=off"}));
  const bool up = eventually([&] {
    machine.run("pg_isready", {kPrograms / "pg_isready", "-q", "-h", directory});
    return true;
  });
  if (!up) throw std::runtime_error("the database server does not start");
  for (const std::string& name : databases) {
    machine.run("createdb", {kPrograms / "createdb", "-h", directory, "-U", kOwner, name});
  }
}

}  // namespace rivera::harness
