#include "simulation/report/cell_picture.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "simulation/report/svg.h"

namespace rivera::simulation {

ProcessColours::ProcessColours(const World& world) : colours_(world.processes().size()) {
  std::vector<std::pair<std::int64_t, ProcessId>> sizes(world.processes().size());
  for (ProcessId id = 0; id < sizes.size(); ++id) sizes[id].second = id;
  for (const auto& instance : world.instances()) {
    has_before_ = has_before_ || !instance.is_new;
    if (instance.is_new) --sizes[instance.process].first;  // negative: the largest sorts first
  }
  std::sort(sizes.begin(), sizes.end());
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    const auto [minus_count, process] = sizes[rank];
    const bool is_large = rank < kOwn && minus_count < -1;
    colours_[process] = is_large ? 1 + kShared + rank : 1 + process % kShared;
    if (is_large) {
      const auto text = fmt::format("{} ({})", world.processes()[process].guid, with_commas(-minus_count));
      largest_.push_back({css_class(colours_[process]), text});
    } else if (minus_count < 0) {
      has_others_ = true;
    }
  }
}

std::size_t ProcessColours::colour_of(const World& world, InstanceId instance) const {
  const Instance& facts = world.instances()[instance];
  return facts.is_new ? colours_[facts.process] : kBefore;
}

std::string ProcessColours::css_class(std::size_t colour) { return fmt::format("p{}", colour); }

std::vector<ProcessColours::Entry> ProcessColours::legend() const {
  std::vector<Entry> entries;
  if (has_before_) entries.push_back({css_class(kBefore), "where they were before"});
  entries.insert(entries.end(), largest_.begin(), largest_.end());
  if (has_others_) entries.push_back({css_class(1), "other processes, in six pale colours"});
  return entries;
}

namespace {

constexpr double kLabelWidth = 64;
constexpr double kRowGap = 14;

// Adds the bar of one cell to the paths, one for each colour.
void add_bar(const World& world, const Cell& cell, const ProcessColours& colours, double x, double width, double bottom,
             double height, std::vector<std::string>& paths) {
  std::vector<std::int64_t> memory(colours.count());
  for (const InstanceId id : cell.instances) memory[colours.colour_of(world, id)] += world.process_of(id).memory_mb;
  double y = bottom;
  for (std::size_t colour = 0; colour < memory.size(); ++colour) {
    if (memory[colour] == 0) continue;
    const double part = height * static_cast<double>(memory[colour]) /
                        static_cast<double>(std::max<std::int64_t>(cell.now.total_memory, 1));
    paths[colour] += fmt::format("M{:.2f} {:.1f}h{:.2f}v-{:.1f}h-{:.2f}z", x, y, width, part, width);
    y -= part;
  }
}

}  // namespace

std::string cell_picture(const World& world, const ProcessColours& colours, double width, double row_height) {
  std::map<std::string, std::vector<const Cell*>> zones;
  for (const auto& cell : world.cells()) zones[cell.now.zone].push_back(&cell);
  std::size_t longest = 1;
  for (auto& [zone, cells] : zones) {
    std::stable_sort(cells.begin(), cells.end(),
                     [](const Cell* a, const Cell* b) { return a->now.cell_index < b->now.cell_index; });
    longest = std::max(longest, cells.size());
  }
  const double height = static_cast<double>(zones.size()) * (row_height + kRowGap);
  Svg svg(width, height, "memory used of each cell, by process");
  const double step = std::min(24.0, (width - kLabelWidth) / static_cast<double>(longest));
  const double bar = step > 4 ? step - 1 : step;  // no gaps between bars too thin for them
  std::vector<std::string> paths(colours.count());
  double bottom = row_height;
  for (const auto& [zone, cells] : zones) {
    svg.rectangle(kLabelWidth, bottom - row_height, step * static_cast<double>(cells.size()), row_height, "room");
    svg.text(0, bottom - row_height / 2, zone, "strong");
    svg.text(0, bottom - row_height / 2 + 15,
             fmt::format("{} cells", with_commas(static_cast<std::int64_t>(cells.size()))), "soft");
    double x = kLabelWidth;
    for (const Cell* cell : cells) {
      add_bar(world, *cell, colours, x, bar, bottom, row_height, paths);
      x += step;
    }
    bottom += row_height + kRowGap;
  }
  for (std::size_t colour = 0; colour < paths.size(); ++colour) {
    svg.path(paths[colour], ProcessColours::css_class(colour));
  }
  return std::move(svg).finish();
}

}  // namespace rivera::simulation
