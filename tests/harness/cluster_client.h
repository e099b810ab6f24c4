// What a test does with a cluster, however it was started: calls to the BBS, requests through the router.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <type_traits>

#include "clients/bbs_client.h"
#include "cluster/run_coroutine.h"
#include "cluster/settings/settings.h"
#include "net/http/http.h"

namespace rivera::harness {

// Everything blocks: a test reads from top to bottom. Calls to components throw as the clients do.
class ClusterClient {
 public:
  virtual ~ClusterClient() = default;

  // The names that applications use: the stack, the domain of host names.
  const cluster::Settings& settings() const { return settings_; }

  // Runs `call(bbs)`, a coroutine, to its end.
  template <typename Call>
  auto with_bbs(Call call) const {
    return cluster::run_coroutine(connected(bbs_options(), std::move(call)));
  }

  // GET through the router; every host name leads to it. A status of 0: no answer (the text says why).
  net::HttpResponse get(const std::string& hostname, const std::string& path = "/",
                        const net::Headers& headers = {}) const;

 protected:
  explicit ClusterClient(cluster::Settings settings) : settings_(std::move(settings)) {}

  // How to reach the BBS that is active now.
  virtual clients::BbsClientOptions bbs_options() const = 0;
  virtual std::string router_url() const = 0;

  cluster::Settings settings_;

 private:
  template <typename Call>
  static asio::awaitable<typename std::invoke_result_t<Call, clients::BbsClient&>::value_type> connected(
      clients::BbsClientOptions options, Call call) {
    const auto executor = co_await asio::this_coro::executor;
    clients::BbsClient bbs(executor, std::move(options));
    co_return co_await call(bbs);
  }
};

// Calls `condition` until it holds or `limit` has passed; exceptions count as "not yet". Returns whether it held.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(60));

}  // namespace rivera::harness
