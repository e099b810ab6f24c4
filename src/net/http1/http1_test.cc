#include "net/http1/http1.h"

#include <gtest/gtest.h>

namespace rivera::net {
namespace {

using Kind = Http1Framing::Kind;

TEST(Http1, FindsTheEndOfAHeadHoweverItComes) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string all = head + "body";
  for (std::size_t i = 0; i < head.size(); ++i) {
    EXPECT_EQ(http1_head_length(all.substr(0, i)), std::nullopt);
    EXPECT_EQ(http1_head_length(all, i), head.size()) << i;
  }
  EXPECT_EQ(http1_head_length("GET / HTTP/1.1\nHost: a\n\n"), 24u);
}

TEST(Http1, ReadsARequest) {
  const std::string head =
      "POST /a%2Fb?x=1 HTTP/1.1\r\nhost: App.Example.com:80\r\nX-Thing:  two words \r\nConnection: keep-alive, "
      "Upgrade\r\n\r\n";
  Http1Request r;
  parse_http1_request(head, r);
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.target, "/a%2Fb?x=1");
  EXPECT_EQ(r.path(), "/a%2Fb");
  EXPECT_EQ(r.host(), "App.Example.com:80");
  EXPECT_EQ(r.fields.get("x-thing"), "two words");
  EXPECT_TRUE(r.fields.has_token("connection", "upgrade"));
  EXPECT_TRUE(r.keep_alive());
}

TEST(Http1, TakesTheHostOfAnAbsoluteTarget) {
  Http1Request r;
  parse_http1_request("GET http://u@other:81/p?q HTTP/1.1\r\nHost: a\r\n\r\n", r);
  EXPECT_EQ(r.host(), "other:81");
  EXPECT_EQ(r.path(), "/p");
  parse_http1_request("GET http://other HTTP/1.1\r\nHost: a\r\n\r\n", r);
  EXPECT_EQ(r.path(), "/");
  parse_http1_request("GET /?u=http://evil HTTP/1.1\r\nHost: a\r\n\r\n", r);
  EXPECT_EQ(r.host(), "a");
}

TEST(Http1, RefusesMalformedRequests) {
  for (const char* bad :
       {"GET /\r\n\r\n", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", "G ET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.x\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "GET path HTTP/1.1\r\nHost: a\r\n\r\n", "GET x?u=://b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"}) {
    Http1Request r;
    EXPECT_THROW(parse_http1_request(bad, r), Http1Error) << bad;
  }
}

Http1Framing request_framing(std::string fields, std::string version = "1.1") {
  const std::string head = "POST / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n";
  Http1Request r;
  parse_http1_request(head, r);
  return framing_of(r);
}

TEST(Http1, DelimitsRequestBodiesInOneWayOnly) {
  EXPECT_EQ(request_framing("").kind, Kind::kNone);
  EXPECT_EQ(request_framing("Content-Length: 5\r\n").length, 5u);
  EXPECT_EQ(request_framing("Content-Length: 5\r\nContent-Length: 5\r\n").length, 5u);
  EXPECT_EQ(request_framing("Transfer-Encoding: Chunked\r\n").kind, Kind::kChunked);
  for (const char* bad :
       {"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 5\r\n", "Content-Length: -1\r\n",
        "Content-Length: +1\r\n", "Content-Length: 0x5\r\n", "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding:\r\n"}) {
    EXPECT_THROW(request_framing(bad), Http1Error) << bad;
  }
  EXPECT_THROW(request_framing("Transfer-Encoding: chunked\r\n", "1.0"), Http1Error);
}

TEST(Http1, DelimitsResponseBodies) {
  const auto framing = [](std::string head, bool to_head = false) {
    Http1Response r;
    parse_http1_response(head, r);
    return framing_of(r, to_head);
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n").kind, Kind::kUntilClose);
  EXPECT_EQ(framing("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n").length, 3u);
  EXPECT_EQ(framing("HTTP/1.0 200 \r\nContent-Length: 0\r\n\r\n").kind, Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n").kind, Kind::kChunked);
  EXPECT_EQ(framing("HTTP/1.1 204 No Content\r\n\r\n").kind, Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n").kind, Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true).kind, Kind::kNone);
  for (const char* bad : {"HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
                          "HTTP/1.1 2000\r\n\r\n", "hello\r\n\r\n", "HTTP/1.1\r\n\r\n"}) {
    EXPECT_THROW(framing(bad), Http1Error) << bad;
  }
}

TEST(Http1, BoundsTheNumberOfFields) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 20'000; ++i) head += "a:\r\n";
  Http1Request r;
  try {
    parse_http1_request(head + "\r\n", r);
    ADD_FAILURE() << "20,000 fields were accepted";
  } catch (const Http1Error& e) {
    EXPECT_EQ(e.status, 431);
  }
}

TEST(Http1, RefusesHostsThatAreNoHost) {
  const auto parse = [](const std::string& target, const std::string& host) {
    Http1Request r;
    const std::string head = "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    parse_http1_request(head, r);
    return std::string(r.host());
  };
  for (const char* good : {"", "a", "App_1.example.com", "a:80", "a:", "10.0.0.1:8080", "[::1]", "[2001:db8::1]:443",
                           "[fe80::1%25eth0]:80", "a.b.", "%41"}) {
    EXPECT_EQ(parse("/", good), good);
  }
  for (const char* bad : {"a b",
                          "a/b",
                          "a:80/admin?x= HTTP/1.1 y",
                          "a:1 - [x] \"GET / HTTP/1.1\" 200",
                          "a:b",
                          "a:80:81",
                          ":80",
                          "u@a",
                          "a\"",
                          "a\\",
                          "a?x",
                          "a#x",
                          "a\tb",
                          "[::1",
                          "[a]",
                          "[]",
                          "[::1]x",
                          "::1",
                          "\xc3\xa4",
                          "<a>"}) {
    EXPECT_THROW(parse("/", bad), Http1Error) << bad;
    EXPECT_THROW(parse("http://a/", bad), Http1Error) << bad;
  }
  EXPECT_EQ(parse("http://u:p@a:80/x", "b"), "a:80");
  for (const char* bad : {"http://a:b/", "http://u@v@a/", "http://a#@b/", "http://a\"b/", "http://:80/", "http://a\\b/",
                          "http://[a]/", "x://a:1:2?q"}) {
    EXPECT_THROW(parse(bad, "a"), Http1Error) << bad;
  }
}

TEST(Http1, WritesNoValueThatEndsItsLine) {
  std::string out = "X: ";
  append_http1_value(out, std::string_view("a\r\nb\0c\td\x7f", 9));
  EXPECT_EQ(out, "X: a  b c\td ");
}

TEST(Http1, SpellsNamesAsGoDoes) {
  EXPECT_EQ(canonical_name("content-TYPE"), "Content-Type");
  EXPECT_EQ(canonical_name("x-b3-traceid"), "X-B3-Traceid");
  EXPECT_EQ(canonical_name("ETag"), "Etag");
  EXPECT_EQ(canonical_name("not a name"), "not a name");
}

}  // namespace
}  // namespace rivera::net
