#include "net/http/http.h"

#include <gtest/gtest.h>

#include "net/http/http_client.h"
#include "net/sse/sse.h"

namespace rivera::net {
namespace {

TEST(Headers, CompareNamesWithoutCase) {
  Headers headers{{"Content-Type", "a"}};
  headers.set("content-type", "b");
  EXPECT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers.get("CONTENT-TYPE"), "b");
}

TEST(Headers, FindTokensInLists) {
  const Headers headers{{"Connection", "keep-alive, Upgrade"}};
  EXPECT_TRUE(headers.has_token("connection", "upgrade"));
  EXPECT_FALSE(headers.has_token("connection", "grade"));
}

TEST(RequestHead, SplitsPathAndQuery) {
  RequestHead head;
  head.target = "http://host/a%20b?x=1&y=a+b%26";
  EXPECT_EQ(head.path(), "/a%20b");
  EXPECT_EQ(head.query_value("y"), "a b&");
  EXPECT_EQ(head.query_value("z"), std::nullopt);
}

TEST(Endpoint, ParsesUrls) {
  const auto [endpoint, target] = Endpoint::parse_url("https://bbs.example:8889/v1/ping?x=1");
  EXPECT_TRUE(endpoint.tls);
  EXPECT_EQ(endpoint.host, "bbs.example");
  EXPECT_EQ(endpoint.port, 8889);
  EXPECT_EQ(target, "/v1/ping?x=1");
  EXPECT_EQ(Endpoint::parse("http://[::1]:80").host, "::1");
  EXPECT_TRUE(Endpoint::parse("unix:/run/x.sock").is_unix);
  EXPECT_THROW(Endpoint::parse("ftp://x"), std::invalid_argument);
  EXPECT_THROW(Endpoint::parse("http://x:port"), std::invalid_argument);
  EXPECT_THROW(Endpoint::parse("http://[::1]x80"), std::invalid_argument);
}

TEST(SseParser, TakesEventsWhateverTheSplit) {
  const std::string text = "id: 1\nevent: a\ndata: x\n\n: comment\n\nid: 2\r\nevent: b\r\ndata: y\r\n\r\n";
  for (std::size_t step = 1; step < text.size(); ++step) {
    SseParser parser;
    std::string seen;
    for (std::size_t at = 0; at < text.size(); at += step) {
      parser.feed(std::string_view(text).substr(at, step));
      while (auto event = parser.next()) seen += event->id + event->name + event->data + ";";
    }
    EXPECT_EQ(seen, "1ax;2by;") << "step " << step;
  }
}

}  // namespace
}  // namespace rivera::net
