// Conversion between the root filesystem URLs of LRPs and those of Garden (docs/spec/cell.md §1.12). Pure functions.
#pragma once

#include <stdexcept>
#include <string>

#include "models/placement/cell_state.h"

namespace rivera::rep {

class RootFsNotFound : public std::runtime_error {
 public:
  RootFsNotFound() : std::runtime_error("preloaded rootfs path not found") {}
};

// For "preloaded:<stack>" the path of the stack, for "preloaded+layer:<stack>?<query>" the URL with the path in place
// of the stack, any other URL unchanged. Throws RootFsNotFound for an unknown stack.
std::string resolve_root_fs(const std::string& root_fs, const models::StackPathMap& stacks);

// The inverse, for reports.
std::string unresolve_root_fs(const std::string& garden_root_fs, const models::StackPathMap& stacks);

}  // namespace rivera::rep
