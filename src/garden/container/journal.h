// The containers' records on disk.
#pragma once

#include <string>
#include <vector>

#include "base/work/wait.h"
#include "garden/container/part.h"
#include "garden/host/context.h"

namespace rivera::garden {

// Writes <depot>/<handle>/state.json, each time whole and atomically, on a worker. Used on the garden's executor.
class Journal {
 public:
  Journal(const Context& context, const Parts& parts);

  // Returns when the record as it is now, or a later one, is in the file; changes that come while a file is written
  // share the next one. Makes the container's directory at the first time. Does nothing once remove() has begun. Throws
  // std::system_error.
  asio::awaitable<void> save(Container& container);
  // Removes the container's directory: at once from sight, so that a crash leaves all of it or nothing.
  asio::awaitable<void> remove(Container& container);

  // A directory of the depot, and its record's text: empty if there is none.
  struct Found {
    std::string handle, directory, text;
  };
  // Every container of the depot. Deletes what a crash left of remove().
  asio::awaitable<std::vector<Found>> read_all() const;

 private:
  struct Writing {
    std::uint64_t asked = 0, written = 0;  // versions of the record
    bool is_writing = false;
    bool is_removed = false;
  };
  asio::awaitable<void> write(Container& container, Writing& writing);

  const Context& context_;
  const Parts& parts_;
  base::Condition changed_;
};

}  // namespace rivera::garden
