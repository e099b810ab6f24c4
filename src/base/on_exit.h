// What is done at the end of a scope, however it ends.
#pragma once

#include <utility>

namespace rivera::base {

template <typename Act>
class [[nodiscard]] OnExit {
 public:
  // `act` must not throw.
  explicit OnExit(Act act) : act_(std::move(act)) {}
  ~OnExit() { act_(); }
  OnExit(const OnExit&) = delete;
  OnExit& operator=(const OnExit&) = delete;

 private:
  Act act_;
};

}  // namespace rivera::base
