// Containers as JSON text: how they are kept on disk from one life of the cell's process to the next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "executor/container/container.h"

namespace rivera::executor {

// What is kept of a container.
struct ContainerRecord {
  Container container;
  // Directories of the download cache that it has mounted.
  std::vector<std::string> cached_directories;
};

// To be raised whenever a record, or the places of steps in the tree that journals and process ids name, change their
// meaning: a record of another format is not taken up, and its container is destroyed.
inline constexpr int kRecordFormat = 1;

// Holds everything, secrets of the environment included: keep it where only root reads.
std::string to_json(const ContainerRecord& record);
// Throws std::invalid_argument if `text` is no such record.
ContainerRecord record_from_json(std::string_view text);

}  // namespace rivera::executor
