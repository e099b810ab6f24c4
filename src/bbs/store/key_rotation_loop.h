// Key rotation in the background of an active BBS.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "bbs/store/key_rotation.h"

namespace rivera::bbs {

// Lives on one strand.
class KeyRotationLoop {
 public:
  KeyRotationLoop(Store& store, base::WorkerPool& workers, base::Logger logger)
      : rotation_(store), workers_(workers), logger_(logger.session("encryptor")) {}

  // Runs until every record has the active key, or until a failure, which is logged; the next active BBS continues.
  // Calls `ended` with the duration, also after a failure (EncryptionDuration, docs/spec/bbs.md §7.2), unless no
  // rotation was needed.
  asio::awaitable<void> run(std::function<void(std::chrono::nanoseconds)> ended);

 private:
  KeyRotation rotation_;
  base::WorkerPool& workers_;
  base::Logger logger_;
};

}  // namespace rivera::bbs
