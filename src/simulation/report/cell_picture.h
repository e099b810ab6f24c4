// The picture of a whole fleet: one bar for each cell, by zone, coloured by process.
#pragma once

#include <string>
#include <vector>

#include "simulation/world/world.h"

namespace rivera::simulation {

// The colour of each process. The largest processes have distinct colours; all others share a few pale ones, which
// still distinguishes neighbours among 60,000 processes. Instances from before the scenario are grey.
class ProcessColours {
 public:
  explicit ProcessColours(const World& world);

  std::size_t count() const { return kOwn + kShared + 1; }
  std::size_t colour_of(const World& world, InstanceId instance) const;
  // CSS class of a colour.
  static std::string css_class(std::size_t colour);

  struct Entry {
    std::string css_class;
    std::string text;
  };
  std::vector<Entry> legend() const;

 private:
  static constexpr std::size_t kBefore = 0;
  static constexpr std::size_t kShared = 6;
  static constexpr std::size_t kOwn = 5;

  std::vector<std::size_t> colours_;  // by process
  std::vector<Entry> largest_;
  bool has_before_ = false;
  bool has_others_ = false;
};

// A row for each zone, and a bar for each cell in the order of its index. The height is the used memory.
std::string cell_picture(const World& world, const ProcessColours& colours, double width, double row_height);

}  // namespace rivera::simulation
