#include <cstdlib>
#include <iostream>
#include <utility>

#include "targets.h"

namespace rivera::fuzz {
namespace {

void (*last_act)() noexcept = nullptr;

}  // namespace

void before_abort(void (*act)() noexcept) { last_act = act; }

[[noreturn]] void broken(std::string_view promise) {
  std::cerr << "broken: " << promise << std::endl;
  if (auto* act = std::exchange(last_act, nullptr)) act();
  std::abort();
}

}  // namespace rivera::fuzz
