// Writing SVG, inline in an HTML page whose style sheet gives the classes their colours (report.cc).
#pragma once

#include <string>
#include <string_view>

namespace rivera::simulation {

// Text safe inside HTML and SVG.
std::string escaped(std::string_view text);
// 1234567 as "1,234,567".
std::string with_commas(std::int64_t number);
// "8 s", "2.5 min", "1.2 h".
std::string duration_text(double seconds);

enum class Anchor { kStart, kMiddle, kEnd };

// One picture. Lengths are pixels from the left upper corner; `classes` are CSS classes.
class Svg {
 public:
  // `label` describes the picture for screen readers.
  Svg(double width, double height, std::string_view label);

  void rectangle(double x, double y, double width, double height, std::string_view classes);
  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  void text(double x, double y, std::string_view content, std::string_view classes, Anchor anchor = Anchor::kStart);
  // `d` is the path data in SVG's form.
  void path(std::string_view d, std::string_view classes);

  std::string finish() &&;

 private:
  std::string out_;
};

}  // namespace rivera::simulation
