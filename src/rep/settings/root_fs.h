// Root filesystems: names that LRPs use, and paths that Garden takes (docs/spec/cell.md §1.12). Pure functions.
#pragma once

#include <stdexcept>
#include <string>

#include "models/placement/cell_state.h"

namespace rivera::rep {

class RootFsNotFound : public std::runtime_error {
 public:
  RootFsNotFound() : std::runtime_error("preloaded rootfs path not found") {}
};

// "preloaded:<stack>" as the stack's path, "preloaded+layer:<stack>?<query>" with the path in the stack's place, all
// else unchanged. Throws RootFsNotFound for a stack that is not here.
std::string resolve_root_fs(const std::string& root_fs, const models::StackPathMap& stacks);

// The reverse, for reports.
std::string unresolve_root_fs(const std::string& garden_root_fs, const models::StackPathMap& stacks);

}  // namespace rivera::rep
