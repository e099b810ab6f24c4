// Failures of several steps, of which none keeps the others from being tried.
#pragma once

#include <string>
#include <vector>

#include "clients/garden/garden_types.h"

namespace rivera::garden {

// For removals that try every step, and report at the end what could not be removed (docs/spec/garden.md
// §2.1).
class Failures {
 public:
  void add(std::string text) { texts_.push_back(std::move(text)); }
  bool empty() const { return texts_.empty(); }
  // Throws GardenError with upstream's text (§1.7) if there were any.
  void throw_if_any() const {
    if (!texts_.empty()) throw clients::garden::GardenError(text());
  }
  std::string text() const {
    std::string joined = std::to_string(texts_.size()) + (texts_.size() == 1 ? " error" : " errors") + " occurred:\n";
    for (const auto& one : texts_) joined += "\t* " + one + "\n";
    return joined + "\n";
  }

 private:
  std::vector<std::string> texts_;
};

}  // namespace rivera::garden
