#include "net/http1/http1_body.h"

#include <random>

#include <gtest/gtest.h>

namespace rivera::net {
namespace {

using Kind = Http1Framing::Kind;
constexpr Http1Framing kChunkedBody{Kind::kChunked, 0};

std::string decode(Http1BodyDecoder& decoder, std::string_view bytes, std::string_view* rest = nullptr) {
  std::string out;
  for (;;) {
    const auto piece = decoder.next(bytes);
    if (piece.empty()) break;
    out += piece;
  }
  if (rest != nullptr) *rest = bytes;
  return out;
}

TEST(Http1BodyDecoder, TakesChunksApartWhereverTheyAreSplit) {
  const std::string wire = "5\r\nhello\r\nA;name=x\r\n, world!!!\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\nNEXT";
  for (std::size_t split = 0; split <= wire.size(); ++split) {
    Http1BodyDecoder decoder(kChunkedBody);
    std::string_view rest;
    const std::string first = wire.substr(0, split);
    std::string body = decode(decoder, first, &rest);
    const std::string leftover(rest);
    const std::string second = leftover + wire.substr(split);
    body += decode(decoder, second, &rest);
    EXPECT_EQ(body, "hello, world!!!") << split;
    EXPECT_TRUE(decoder.complete());
    EXPECT_EQ(rest, "NEXT");
    EXPECT_EQ(decoder.trailers(), "X-Sum: 1\r\nY: 2\r\n");
  }
}

TEST(Http1BodyDecoder, StopsAtTheLength) {
  Http1BodyDecoder decoder(Http1Framing{Kind::kLength, 5});
  std::string_view rest;
  EXPECT_EQ(decode(decoder, "hel", &rest), "hel");
  EXPECT_FALSE(decoder.end_of_stream());
  EXPECT_EQ(decode(decoder, "loNEXT", &rest), "lo");
  EXPECT_EQ(rest, "NEXT");
  EXPECT_TRUE(decoder.complete());
}

TEST(Http1BodyDecoder, EndsWithTheStreamWhereNothingElseEndsIt) {
  Http1BodyDecoder decoder(Http1Framing{Kind::kUntilClose, 0});
  EXPECT_EQ(decode(decoder, "all of it"), "all of it");
  EXPECT_FALSE(decoder.complete());
  EXPECT_TRUE(decoder.end_of_stream());
  EXPECT_TRUE(decoder.complete());
}

TEST(Http1BodyDecoder, RefusesMalformedChunks) {
  for (const std::string& bad :
       {std::string("x\r\n"), std::string("\r\n"), std::string("-1\r\n"), std::string("5\r\nhelloXX\r\n"),
        std::string("11111111111111111\r\n"), std::string(" 5\r\n"), std::string("0x5\r\n"), std::string("5\nhello"),
        std::string("5\r\nhello\n"), std::string("5;a\rb\r\nhello"), std::string("0\r\nNoColon\r\n\r\n"),
        "1;" + std::string(5000, 'x'), "0\r\n" + std::string("no colon\x01\r\n\r\n")}) {
    Http1BodyDecoder decoder(kChunkedBody);
    EXPECT_THROW(decode(decoder, bad), Http1Error) << bad.substr(0, 40);
  }
  Http1BodyDecoder decoder(kChunkedBody);
  std::string many = "0\r\n";
  for (int i = 0; i < 10'000; ++i) many += "Trailer-Name: value\r\n";
  EXPECT_THROW(decode(decoder, many), Http1Error);
}

TEST(Http1BodyDecoder, NeverGivesMoreThanWasPutIn) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    for (std::size_t n = random() % 40; n > 0; --n) bytes += "0123abc;\r\n\r\n x"[random() % 14];
    Http1BodyDecoder decoder(kChunkedBody);
    try {
      EXPECT_LE(decode(decoder, bytes).size(), bytes.size());
    } catch (const Http1Error&) {
    }
  }
}

TEST(Http1BodyDecoder, IgnoresExtensionsAsLongAsTheyAreFewBesideTheData) {
  Http1BodyDecoder events(kChunkedBody);
  for (int i = 0; i < 100'000; ++i) EXPECT_EQ(decode(events, "1;\r\nx\r\n"), "x");  // a stream without an end

  Http1BodyDecoder endless(kChunkedBody);
  const std::string chunk = "1;" + std::string(1000, 'x') + "\r\ny\r\n";
  std::size_t taken = 0;
  EXPECT_THROW(
      {
        for (; taken < 100'000; ++taken) decode(endless, chunk);
      },
      Http1Error);
  EXPECT_LT(taken, 20u);
}

TEST(Http1BodyDecoder, CountsDataThatIsReadPastIt) {
  Http1BodyDecoder decoder(kChunkedBody);
  EXPECT_EQ(decode(decoder, "5\r\n"), "");
  EXPECT_EQ(decoder.data_ahead(), 5u);
  decoder.skip(2);
  EXPECT_EQ(decode(decoder, "llo\r\n0\r\n\r\n"), "llo");
  EXPECT_TRUE(decoder.complete());
}

}  // namespace
}  // namespace rivera::net
