// The executor's errors (docs/spec/cell.md §2.2).
#pragma once

#include <stdexcept>
#include <string>

namespace rivera::executor {

class ExecutorError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ContainerNotFound : public ExecutorError {
 public:
  ContainerNotFound() : ExecutorError("container not found") {}
};

class InvalidStateTransition : public ExecutorError {
 public:
  InvalidStateTransition() : ExecutorError("container cannot transition to given state") {}
};

class InvalidSecurityGroup : public ExecutorError {
 public:
  InvalidSecurityGroup() : ExecutorError("security group has invalid values") {}
};

inline constexpr const char* kGuidNotAvailable = "container guid not available";
inline constexpr const char* kGuidNotSpecified = "container guid not specified";
inline constexpr const char* kInsufficientResources = "insufficient resources available";

}  // namespace rivera::executor
