// Ranges of host ids for containers, of which no two share an id.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/files.h"
#include "garden/host/host.h"
#include "garden/host/options.h"

namespace rivera::garden {

// The kernel charges much of what processes hold to their host user: containers that share ids share that.
//
// A range is taken by a lock on its ids in a file that all gardens of the machine use: offsets in it are host ids, and
// it stays empty. This object holds the locks of all its ranges; the shim of each container holds its range, too, so
// that a garden that starts while another one is down takes none of a container that runs. Nothing here waits.
class IdRanges {
 public:
  // The file is opened when it is first needed.
  IdRanges(const Options& options, const Host& host, std::string lock_file = kLockFile);

  // The first id of a range of length(); the lowest that is free. Throws GardenError if there is none,
  // std::system_error.
  std::uint32_t take();
  // A container of an earlier server has it.
  void adopt(std::uint32_t first, std::uint32_t length);
  // Does nothing for one that is not held.
  void give_back(std::uint32_t first);

  std::uint32_t length() const { return length_; }
  const std::string& lock_file() const { return lock_file_; }

  static constexpr const char* kLockFile = "/run/garden-ids.lock";

 private:
  bool lock(std::uint32_t first, std::uint32_t length, short type);
  void open_file();

  std::uint64_t start_, end_;  // of the pool
  std::uint32_t length_;
  std::string lock_file_;
  base::UniqueFd file_;
  std::map<std::uint32_t, std::uint32_t> held_;  // lengths, by first id
};

}  // namespace rivera::garden
