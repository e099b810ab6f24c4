// Notices when another process changes our nftables table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/files.h"

namespace rivera::garden {

// Listens to the kernel's notifications of nftables, one set per transaction: each change with the name of its table,
// then the process that made it. Used on one thread at a time; of the network namespace it was made in.
class FirewallWatch {
 public:
  struct Change {
    bool has_lost_news = false;  // some notifications were dropped: anything may have changed
    std::uint32_t pid = 0;       // of the thread that did it, in the first pid namespace
    std::string process;         // its name
  };

  // `table`: of any family. Throws std::system_error.
  explicit FirewallWatch(std::string table);

  // Becomes readable when there are notifications.
  int fd() const { return socket_.get(); }
  // Reads what has arrived, without waiting. The last change of the table not made by Nftables::run() of this process.
  // Throws std::system_error.
  std::optional<Change> read();

 private:
  void take(const char* bytes, std::size_t size, std::optional<Change>& change);

  std::string table_;
  std::string own_name_;
  base::UniqueFd socket_;
  bool is_touched_ = false;  // by the transaction whose end has not come yet
};

}  // namespace rivera::garden
