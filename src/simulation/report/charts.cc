#include "simulation/report/charts.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "simulation/report/svg.h"

namespace rivera::simulation {
namespace {

constexpr double kWidth = 620;
constexpr double kHeight = 190;
constexpr double kLeft = 58;
constexpr double kRight = 14;
constexpr double kTop = 14;
constexpr double kBottom = 34;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr double kPlotHeight = kHeight - kTop - kBottom;

// 1, 2 or 5 times a power of ten, so that about `wanted` of them make `range`.
double nice_step(double range, int wanted) {
  const double raw = std::max(range, 1e-9) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (value >= 10'000) return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

// Grid lines and numbers at the left. Integers only: all quantities are counts.
void draw_value_axis(Svg& svg, double most) {
  const double step = std::max(1.0, nice_step(most, 4));
  for (double value = 0; value <= most * 1.0001; value += step) {
    const double y = kTop + kPlotHeight * (1 - value / most);
    svg.line(kLeft, y, kLeft + kPlotWidth, y, value == 0 ? "axis" : "grid");
    svg.text(kLeft - 6, y + 4, short_number(value), "soft", Anchor::kEnd);
  }
}

void draw_time_axis(Svg& svg, double ends_at) {
  constexpr std::array<double, 13> kSteps = {1, 5, 10, 30, 60, 120, 300, 600, 1'200, 1'800, 3'600, 7'200, 14'400};
  const auto fits = [ends_at](double step) { return ends_at / step <= 8; };
  const auto found = std::find_if(kSteps.begin(), kSteps.end(), fits);
  const double step = found == kSteps.end() ? nice_step(ends_at, 8) : *found;
  for (double at = 0; at <= ends_at * 1.0001; at += step) {
    const double x = kLeft + kPlotWidth * at / ends_at;
    svg.line(x, kTop + kPlotHeight, x, kTop + kPlotHeight + 4, "axis");
    svg.text(x, kHeight - 14, at == 0 ? "0" : duration_text(at), "soft", Anchor::kMiddle);
  }
}

// Adjacent bars over the whole width, with labels for some of them.
void draw_bars(Svg& svg, const std::vector<double>& values, const std::vector<std::string>& names) {
  const double most = std::max(1.0, *std::max_element(values.begin(), values.end())) * 1.05;
  draw_value_axis(svg, most);
  const double step = kPlotWidth / static_cast<double>(values.size());
  const double gap = step > 6 ? 2 : step * 0.15;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = kLeft + step * static_cast<double>(i);
    const double height = kPlotHeight * values[i] / most;
    if (values[i] > 0)
      svg.rectangle(x + gap / 2, kTop + kPlotHeight - std::max(height, 1.0), step - gap, std::max(height, 1.0), "bar");
    if (!names[i].empty()) svg.text(x + step / 2, kHeight - 18, names[i], "soft", Anchor::kMiddle);
  }
}

std::string bin_name(double seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3'600) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}h", seconds / 3'600);
}

}  // namespace

std::string histogram_chart(const std::vector<std::int64_t>& instances_by_cell) {
  Svg svg(kWidth, kHeight, "number of cells by number of instances");
  const Range range = range_of(instances_by_cell);
  constexpr std::int64_t kMostBars = 40;
  const std::int64_t bin = range.spread() / kMostBars + 1;
  const auto bins = static_cast<std::size_t>(range.spread() / bin + 1);
  std::vector<double> values(bins);
  for (const auto count : instances_by_cell) ++values[static_cast<std::size_t>((count - range.least) / bin)];
  std::vector<std::string> names(bins);
  const std::size_t every = std::max<std::size_t>(1, (bins + 9) / 10);
  for (std::size_t i = 0; i < bins; i += every)
    names[i] = with_commas(range.least + static_cast<std::int64_t>(i) * bin);
  draw_bars(svg, values, names);
  svg.text(kLeft + kPlotWidth, kHeight - 3,
           bin == 1 ? "instances on a cell" : fmt::format("instances on a cell, by {}", bin), "soft", Anchor::kEnd);
  return std::move(svg).finish();
}

std::string zone_chart(const std::map<std::string, ZoneUse>& zones) {
  constexpr double kRow = 46;
  const double height = kTop + kRow * static_cast<double>(zones.size()) + 20;
  Svg svg(kWidth, height, "memory used of each zone");
  double y = kTop;
  for (const auto& [name, zone] : zones) {
    const double used =
        zone.total_memory > 0 ? static_cast<double>(zone.used_memory) / static_cast<double>(zone.total_memory) : 0;
    svg.text(kLeft - 8, y + 15, name, "strong", Anchor::kEnd);
    svg.rectangle(kLeft, y, kPlotWidth, 20, "room");
    svg.rectangle(kLeft, y, kPlotWidth * used, 20, "bar");
    svg.line(kLeft + kPlotWidth * zone.least_used, y + 10, kLeft + kPlotWidth * zone.most_used, y + 10, "whisker");
    const std::string text =
        zone.cells == 0 ? "no cell takes work"
                        : fmt::format("{:.1f} % used, cells {:.1f} to {:.1f} %, {} instances on {} cells", used * 100,
                                      zone.least_used * 100, zone.most_used * 100, with_commas(zone.instances),
                                      with_commas(static_cast<std::int64_t>(zone.cells)));
    svg.text(kLeft, y + 35, text, "soft");
    y += kRow;
  }
  return std::move(svg).finish();
}

std::string time_chart(const Series& series, double ends_at) {
  Svg svg(kWidth, kHeight, series.label + " over time");
  double most = series.limit.value_or(0);
  for (const auto& [at, value] : series.points) most = std::max(most, value);
  most = std::max(1.0, most) * 1.08;
  ends_at = std::max(ends_at, 1.0);
  draw_value_axis(svg, most);
  draw_time_axis(svg, ends_at);

  // The maximum within each pixel, so that a peak of one second stays visible.
  std::vector<double> columns(static_cast<std::size_t>(kPlotWidth), 0);
  const auto column_of = [&](double at) {
    return std::min(columns.size() - 1, static_cast<std::size_t>(kPlotWidth * at / ends_at));
  };
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const auto [at, value] = series.points[i];
    const double until = i + 1 < series.points.size() ? series.points[i + 1].first : ends_at;
    const std::size_t first = column_of(at);
    const std::size_t end = std::max(first + 1, column_of(until));
    for (std::size_t column = first; column < end; ++column) columns[column] = std::max(columns[column], value);
  }
  const double bottom = kTop + kPlotHeight;
  std::string d = fmt::format("M{:.1f} {:.1f}", kLeft, bottom);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const double y = bottom - kPlotHeight * columns[i] / most;
    d += fmt::format("L{:.1f} {:.1f}L{:.1f} {:.1f}", kLeft + static_cast<double>(i), y,
                     kLeft + static_cast<double>(i + 1), y);
  }
  d += fmt::format("L{:.1f} {:.1f}Z", kLeft + kPlotWidth, bottom);
  svg.path(d, series.css_class);
  if (series.limit) {
    const double y = bottom - kPlotHeight * *series.limit / most;
    svg.line(kLeft, y, kLeft + kPlotWidth, y, "limit");
    svg.text(kLeft + kPlotWidth, y - 4, "limit " + with_commas(static_cast<std::int64_t>(*series.limit)), "limit-text",
             Anchor::kEnd);
  }
  return std::move(svg).finish();
}

std::string wait_chart(const std::vector<float>& seconds) {
  Svg svg(kWidth, kHeight, "waiting times");
  constexpr std::array<double, 13> kEnds = {5, 10, 15, 20, 30, 60, 120, 300, 600, 1'800, 3'600, 7'200, 1e18};
  std::vector<double> values(kEnds.size());
  for (const float wait : seconds) {
    const auto bin =
        std::find_if(kEnds.begin(), kEnds.end(), [wait](double end) { return static_cast<double>(wait) <= end; });
    ++values[static_cast<std::size_t>(bin - kEnds.begin())];
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i + 1 < kEnds.size(); ++i) names.push_back(bin_name(kEnds[i]));
  names.emplace_back("more");
  draw_bars(svg, values, names);
  svg.text(kLeft + kPlotWidth, kHeight - 3, "instances that waited up to this long", "soft", Anchor::kEnd);
  return std::move(svg).finish();
}

}  // namespace rivera::simulation
