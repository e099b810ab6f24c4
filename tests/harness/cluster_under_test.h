// A real cluster for tests: the programs of the build, in a directory, with ports, addresses and names of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/process/subprocess.h"
#include "clients/bbs_client.h"
#include "cluster/run_coroutine.h"
#include "cluster/settings/settings.h"
#include "net/http/http.h"

namespace rivera::harness {

// Everything blocks: a test reads from top to bottom. Calls to components throw as the clients do.
class ClusterUnderTest {
 public:
  // The cluster that runs in `directory`, started by start() of this or another process.
  explicit ClusterUnderTest(std::filesystem::path directory);

  // Starts one in `directory` with whatever is free on this machine. Throws std::runtime_error with the tool's output.
  static ClusterUnderTest start(const std::filesystem::path& directory, bool with_sample = false);
  // Stops it; throws if the tool reports that something was left behind.
  void stop();

  // The one tests share: that of the environment variable RIVERA_TEST_CLUSTER (a directory).
  static ClusterUnderTest& shared();

  const cluster::Settings& settings() const { return settings_; }

  // Runs the tool of ./run on this cluster: run_tool({"status", "--json"}).
  base::CommandResult run_tool(std::vector<std::string> arguments) const;
  // Runs cfdot with this cluster's connection.
  base::CommandResult cfdot(std::vector<std::string> arguments) const;

  // Runs `call(bbs)`, a coroutine, to its end.
  template <typename Call>
  auto with_bbs(Call call) const {
    return cluster::run_coroutine(connected(std::move(call)));
  }

  // GET through the router; every host name leads to it. A status of 0: no answer (the text says why).
  net::HttpResponse get(const std::string& hostname, const std::string& path = "/",
                        const net::Headers& headers = {}) const;

  // The supervisor's view.
  pid_t pid_of(const std::string& component) const;  // 0: does not run
  bool is_healthy(const std::string& component) const;

 private:
  template <typename Call>
  asio::awaitable<typename std::invoke_result_t<Call, clients::BbsClient&>::value_type> connected(Call call) const {
    const auto executor = co_await asio::this_coro::executor;
    clients::BbsClient bbs(executor, bbs_options());
    co_return co_await call(bbs);
  }
  clients::BbsClientOptions bbs_options() const;

  cluster::Settings settings_;
};

// Calls `condition` until it holds or `limit` has passed; exceptions count as "not yet". Returns whether it held.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(60));

}  // namespace rivera::harness
