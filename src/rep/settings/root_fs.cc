#include "rep/settings/root_fs.h"

#include <string_view>

namespace rivera::rep {
namespace {

constexpr std::string_view kPreloaded = "preloaded:";
constexpr std::string_view kLayered = "preloaded+layer:";

const std::string& path_of(const std::string& stack, const models::StackPathMap& stacks) {
  const auto found = stacks.find(stack);
  if (found == stacks.end()) throw RootFsNotFound();
  return found->second;
}

// Splits "stack?query" at the question mark, which stays with the query.
std::pair<std::string, std::string> split_query(std::string_view text) {
  const auto mark = text.find('?');
  if (mark == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, mark)), std::string(text.substr(mark))};
}

}  // namespace

std::string resolve_root_fs(const std::string& root_fs, const models::StackPathMap& stacks) {
  if (root_fs.starts_with(kPreloaded)) return path_of(root_fs.substr(kPreloaded.size()), stacks);
  if (root_fs.starts_with(kLayered)) {
    const auto [stack, query] = split_query(std::string_view(root_fs).substr(kLayered.size()));
    return std::string(kLayered) + path_of(stack, stacks) + query;
  }
  return root_fs;
}

std::string unresolve_root_fs(const std::string& garden_root_fs, const models::StackPathMap& stacks) {
  const bool layered = garden_root_fs.starts_with(kLayered);
  const auto [path, query] = split_query(std::string_view(garden_root_fs).substr(layered ? kLayered.size() : 0));
  for (const auto& [stack, stack_path] : stacks) {
    if (path != stack_path) continue;
    if (layered) return std::string(kLayered) + stack + query;
    if (query.empty()) return std::string(kPreloaded) + stack;
  }
  return garden_root_fs;
}

}  // namespace rivera::rep
