#include "simulation/report/svg.h"

#include <cmath>

#include <fmt/format.h>

namespace rivera::simulation {

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (auto place = static_cast<std::ptrdiff_t>(digits.size()) - 3; place > 0; place -= 3) {
    digits.insert(static_cast<std::size_t>(place), ",");
  }
  return number < 0 ? "-" + digits : digits;
}

std::string duration_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7'200) return fmt::format("{:.3g} min", seconds / 60);
  const double hours = seconds / 3'600;
  return hours < 100 ? fmt::format("{:.3g} h", hours) : with_commas(std::llround(hours)) + " h";
}

Svg::Svg(double width, double height, std::string_view label)
    : out_(fmt::format("<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\" aria-label=\"{}\">", width, height,
                       escaped(label))) {}

void Svg::rectangle(double x, double y, double width, double height, std::string_view classes) {
  out_ += fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>", classes, x,
                      y, width, height);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  out_ += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>", classes, x1, y1,
                      x2, y2);
}

void Svg::text(double x, double y, std::string_view content, std::string_view classes, Anchor anchor) {
  constexpr std::string_view kNames[] = {"start", "middle", "end"};
  out_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", classes, x, y,
                      kNames[static_cast<int>(anchor)], escaped(content));
}

void Svg::path(std::string_view d, std::string_view classes) {
  if (!d.empty()) out_ += fmt::format("<path class=\"{}\" d=\"{}\"/>", classes, d);
}

std::string Svg::finish() && { return std::move(out_) + "</svg>"; }

}  // namespace rivera::simulation
