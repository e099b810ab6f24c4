#include <cstdlib>
#include <iostream>

#include "targets.h"

namespace rivera::fuzz {

[[noreturn]] void broken(std::string_view promise) {
  std::cerr << "broken: " << promise << std::endl;
  std::abort();
}

}  // namespace rivera::fuzz
