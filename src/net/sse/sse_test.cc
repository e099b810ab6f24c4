#include "net/sse/sse.h"

#include <gtest/gtest.h>

namespace rivera::net {
namespace {

TEST(SseParser, GivesWholeEventsHoweverTheirBytesCome) {
  const std::string bytes = "id: 7\nevent: tick\ndata: one\n\nid:8\r\nevent:tock\r\ndata:two\r\n\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}, bytes.size()}) {
    SseParser parser;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      parser.feed(std::string_view(bytes).substr(at, step));
      while (const auto event = parser.next()) got.push_back(event->id + " " + event->name + " " + event->data);
    }
    EXPECT_EQ(got, std::vector<std::string>({"7 tick one", "8 tock two"})) << step;
  }
}

TEST(SseParser, SkipsCommentsUnknownFieldsAndEmptyEvents) {
  SseParser parser;
  parser.feed(": still here\n\n\nretry: 10\nnothing\nevent: tick\ndata: a\ndata:  b\n\n");
  const auto event = parser.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "tick");
  EXPECT_EQ(event->data, "a\n b");
  EXPECT_FALSE(parser.next());
}

TEST(SseParser, ReadsWhatIsFormatted) {
  SseParser parser;
  parser.feed(format_event({"1", "tick", "data"}));
  parser.feed(format_event({"", "tock", "more"}));
  const auto first = parser.next(), second = parser.next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id + first->name + first->data, "1tickdata");
  EXPECT_EQ(second->id + second->name + second->data, "tockmore");
}

TEST(SseParser, RefusesAnEventWithoutEnd) {
  SseParser parser;
  parser.feed("data: ");
  EXPECT_THROW(parser.feed(std::string(SseParser::kLimit, 'x')), std::length_error);
}

}  // namespace
}  // namespace rivera::net
