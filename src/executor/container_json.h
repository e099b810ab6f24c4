// Containers as JSON text: how they are kept on disk from one life of the cell's process to the next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "executor/container.h"

namespace rivera::executor {

// What is kept of a container.
struct ContainerRecord {
  Container container;
  // Directories of the download cache that it has mounted.
  std::vector<std::string> cached_directories;
};

// Holds everything, secrets of the environment included: keep it where only root reads.
std::string to_json(const ContainerRecord& record);
// Throws std::invalid_argument if `text` is no such record.
ContainerRecord record_from_json(std::string_view text);

}  // namespace rivera::executor
