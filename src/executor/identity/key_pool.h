// Private keys that are made before they are needed.
#pragma once

#include <functional>
#include <vector>

#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/worker_pool.h"
#include "net/crypto/identity_authority.h"

namespace rivera::executor {

// Keeps a few keys in stock, so that the start of a container does not wait for one. Makes one at a time, on a worker.
// Used on one strand.
class KeyPool {
 public:
  using Make = std::function<net::FreshKey()>;
  KeyPool(asio::any_io_executor executor, base::WorkerPool& workers, std::size_t stock, base::Logger logger,
          Make make = net::make_identity_key);

  // Begins to make keys.
  void start();
  asio::awaitable<void> stop();

  // A key from stock, or a new one. Nothing else has it.
  asio::awaitable<net::FreshKey> take();
  std::size_t size() const { return keys_.size(); }

 private:
  asio::awaitable<void> fill();

  base::WorkerPool& workers_;
  std::size_t stock_;
  base::Logger logger_;
  Make make_;
  std::vector<net::FreshKey> keys_;
  bool is_filling_ = false;
  bool is_started_ = false;
  base::TaskGroup tasks_;
};

}  // namespace rivera::executor
