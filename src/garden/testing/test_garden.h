// A real garden server, with a root file system of busybox, for tests. Several may run at once on one machine: each
// takes a slot, which gives it addresses, ports and names of its own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/files.h"
#include "base/process/child_process.h"
#include "base/work/wait.h"
#include "clients/garden/garden_client.h"
#include "garden/host/options.h"

namespace rivera::garden {

struct Finished {
  int status = -1;
  std::string output, error;
};

class TestGarden;

// A process that the test is attached to, with its standard output so far.
class RunningProcess {
 public:
  explicit RunningProcess(TestGarden& garden) : garden_(garden) {}
  ~RunningProcess();
  clients::ProcessIO io();
  // Runs until the output holds `text`. False if it does not come.
  bool prints(const std::string& text);
  int wait();

  std::string output;
  std::unique_ptr<clients::GardenProcess> process;

 private:
  TestGarden& garden_;
};

class TestGarden {
 public:
  // Whether containers have host ids of their own, as ./run has it, or share them, as upstream has it.
  enum class Ids { kOwn, kShared };
  explicit TestGarden(std::vector<std::string> extra_flags = {}, Ids ids = Ids::kOwn);
  ~TestGarden();

  // Why a garden cannot run here; "" if it can.
  static std::string obstacle();

  void start();
  // For the next start().
  void use_flags(std::vector<std::string> extra_flags) { extra_flags_ = std::move(extra_flags); }
  void use_ids(Ids ids) { ids_ = ids; }
  void terminate();  // in order
  void kill();       // kill -9
  // The command line of `garden VERB`, with this garden's flags.
  std::vector<std::string> command(const std::string& verb) const;
  // `garden cleanup`. Returns its exit status.
  int clean_up();
  // What is left on this host of this garden: mounts, links, rules, control groups, processes. Empty if nothing.
  std::vector<std::string> left_overs() const;
  // The same without what belongs to the garden itself and stays while it runs.
  std::vector<std::string> left_overs_of_containers() const;
  // The command line's flags, for a Gardener in the test's own process while the server is terminated.
  Options options() const;

  clients::GardenClient& client() { return *client_; }
  asio::io_context& context() { return context_; }
  const std::string& depot() const { return depot_; }
  const std::string& rootfs() const { return rootfs_; }
  const std::string& directory() const { return directory_; }
  pid_t pid() const { return process_ ? process_->pid() : 0; }
  std::string socket() const { return directory_ + "/garden.sock"; }

  // Runs a coroutine to its end.
  template <typename T>
  T await(asio::awaitable<T> work) {
    std::exception_ptr failure;
    bool is_done = false;
    if constexpr (std::is_void_v<T>) {
      asio::co_spawn(context_, std::move(work), [&](std::exception_ptr e) { failure = e, is_done = true; });
      pump(is_done);
      if (failure) std::rethrow_exception(failure);
    } else {
      std::optional<T> result;
      asio::co_spawn(context_, std::move(work), [&](std::exception_ptr e, T value) {
        failure = e, is_done = true;
        if (!e) result.emplace(std::move(value));
      });
      pump(is_done);
      if (failure) std::rethrow_exception(failure);
      return std::move(*result);
    }
  }

  // Runs until `condition` holds. False after `limit`.
  bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(30));

  std::string create(clients::garden::ContainerSpec spec = {});
  void create_named(const std::string& handle);
  // `sh -c <script>` in a container, to its end.
  Finished run(const std::string& handle, const std::string& script, const std::string& user = "");
  Finished run(const std::string& handle, clients::garden::ProcessSpec spec);
  std::unique_ptr<RunningProcess> begin(const std::string& handle, clients::garden::ProcessSpec spec);
  std::unique_ptr<RunningProcess> attach(const std::string& handle, const std::string& process_id);

 private:
  void remove_predecessor();
  void pump(const bool& is_done);

  base::UniqueFd slot_lock_;  // first: a garden that takes the slot finds no directory under removal
  base::TemporaryDirectory temporary_;
  int slot_ = 0;
  std::string directory_, depot_, rootfs_, tag_;
  std::vector<std::string> extra_flags_;
  Ids ids_;
  std::optional<base::ChildProcess> process_;
  asio::io_context context_{1};
  std::unique_ptr<clients::GardenClient> client_;
};

// `sh -c <script>`.
clients::garden::ProcessSpec shell(const std::string& script, const std::string& user = "");

}  // namespace rivera::garden
