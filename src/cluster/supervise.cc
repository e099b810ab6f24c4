#include "cluster/commands.h"
#include "cluster/supervision/supervisor.h"

namespace rivera::cluster {

int supervise(const std::filesystem::path& var_dir) {
  base::Program program({.name = "supervisor"});
  return program.run([&](base::Program& p) -> asio::awaitable<void> {
    Supervisor supervisor(p, load_settings(var_dir));
    co_await supervisor.run();
  });
}

}  // namespace rivera::cluster
