// The certificates of one container and the files of its proxy.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "executor/identity/identity_issuer.h"
#include "executor/identity/proxy_config.h"

namespace rivera::executor {

// Owned by the container's node; used on its strand. The container's processes see the files through mounts:
//   /etc/cf-instance-credentials  instance.crt, instance.key
//   /etc/cf-assets/envoy_config   what the proxy reads, if there is one
// A file is replaced as a whole, and the key before its certificate.
class CredentialKeeper {
 public:
  // `container` is read whenever certificates are issued.
  CredentialKeeper(IdentityIssuer& issuer, const ProxyOptions& proxy, const Container& container,
                   asio::any_io_executor executor, base::WorkerPool& workers, base::Logger logger);

  // Creates the directories; what an earlier attempt left is removed. Throws std::system_error.
  asio::awaitable<void> make_directories();
  std::vector<garden::BindMount> mounts() const;
  std::vector<std::string> environment() const;  // NAME=value

  // Returns when the files hold valid certificates. Those from before a restart stay. Throws std::runtime_error.
  asio::awaitable<void> begin();
  // Renews the certificates in time, and those of the routes when they change, until cancelled. A failure is logged and
  // tried again. Call begin() before.
  asio::awaitable<void> keep();
  void routes_changed();

  // Gives the proxy certificates that name no instance, by which routers notice the coming end, and waits until it has
  // read them. Returns at once without a proxy. Failures are logged.
  asio::awaitable<void> take_name_away();

  // Removes the directories.
  asio::awaitable<void> remove();

 private:
  bool has_proxy() const { return is_proxied(container_.run_info, proxy_); }
  asio::awaitable<void> renew(bool identity_too);
  asio::awaitable<void> write(std::vector<ProxyFile> proxy_files, bool identity_too);

  IdentityIssuer& issuer_;
  const ProxyOptions& proxy_;
  const Container& container_;
  base::WorkerPool& workers_;
  base::Logger logger_;
  std::filesystem::path identity_directory_;
  std::filesystem::path proxy_directory_;
  net::KeyPair identity_;
  base::Timestamp renew_at_{};
  bool routes_changed_ = false;
  bool is_nameless_ = false;  // nothing is written any more
  base::Condition changed_;
};

}  // namespace rivera::executor
