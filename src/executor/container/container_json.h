// Containers as JSON text, in which they are stored across restarts of the process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "executor/container/container.h"

namespace rivera::executor {

// The stored form of a container.
struct ContainerRecord {
  Container container;
  // Directories of the download cache that are mounted in it.
  std::vector<std::string> cached_directories;
};

// Raise it when the meaning of a record changes, or the naming of steps in journals and process ids. A container whose
// record has another format is destroyed at the next start.
inline constexpr int kRecordFormat = 1;

// The text includes the secrets of the environment: store it readable by root only.
std::string to_json(const ContainerRecord& record);
// Throws std::invalid_argument if `text` is not a record of this format.
ContainerRecord record_from_json(std::string_view text);

}  // namespace rivera::executor
