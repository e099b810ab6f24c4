// The cells that are present, as Locket knows them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "models/models.h"

namespace rivera::clients {
class LocketClient;
}

namespace rivera::bbs {

// Queried at each use; nothing is cached (docs/spec/bbs.md §4.8).
class Cells {
 public:
  virtual ~Cells() = default;
  // All of them or an exception.
  virtual asio::awaitable<std::vector<models::CellPresence>> list() = 0;
  virtual asio::awaitable<std::optional<models::CellPresence>> find(std::string cell_id) = 0;
};

class LocketCells final : public Cells {
 public:
  LocketCells(clients::LocketClient& locket, base::Logger logger) : locket_(locket), logger_(std::move(logger)) {}
  asio::awaitable<std::vector<models::CellPresence>> list() override;
  asio::awaitable<std::optional<models::CellPresence>> find(std::string cell_id) override;

 private:
  clients::LocketClient& locket_;
  base::Logger logger_;
};

}  // namespace rivera::bbs
