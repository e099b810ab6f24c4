// Issues the identity certificates of the containers of a cell.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/metrics/metrics.h"
#include "base/work/worker_pool.h"
#include "executor/container/container.h"
#include "executor/identity/key_pool.h"
#include "net/crypto/identity_authority.h"

namespace rivera::executor {

struct IdentityOptions {
  std::filesystem::path directory;  // one directory for each container is made in it; empty: no certificates
  std::string ca_file;
  std::string key_file;                                        // of the CA
  std::chrono::nanoseconds validity = std::chrono::hours(24);  // of each certificate
  std::size_t spare_keys = 4;

  bool is_enabled() const { return !directory.empty(); }
};

// Used on one strand; signs on workers.
class IdentityIssuer {
 public:
  // Reads the CA. Throws std::runtime_error: with upstream's texts if the files are no PEM texts, "instance ID validity
  // period needs to be set and positive", or what else is wrong.
  IdentityIssuer(asio::any_io_executor executor, base::WorkerPool& workers, const base::Clock& clock,
                 base::Metrics& metrics, IdentityOptions options, base::Logger logger,
                 KeyPool::Make make_key = net::make_identity_key);

  const IdentityOptions& options() const { return options_; }
  KeyPool& keys() { return keys_; }

  // The identity certificate: of the container's name and address; and that for connections between containers: of its
  // name and its internal routes. With `is_nameless` they have no guid. Throw std::runtime_error.
  asio::awaitable<net::KeyPair> identity(const Container& container, bool is_nameless);
  asio::awaitable<net::KeyPair> c2c(const Container& container, bool is_nameless);

  // When a certificate that expires then is to be renewed.
  base::Timestamp renewal(base::Timestamp expiry) const;
  base::Timestamp now() const { return clock_.now(); }

 private:
  asio::awaitable<net::KeyPair> issue(net::IdentityNames names, std::string metric_prefix);

  base::WorkerPool& workers_;
  const base::Clock& clock_;
  base::Metrics& metrics_;
  IdentityOptions options_;
  net::IdentityAuthority authority_;
  KeyPool keys_;
};

}  // namespace rivera::executor
