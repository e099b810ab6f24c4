#include "gorouter/proxy/retry.h"

#include <gtest/gtest.h>

#include "gorouter/proxy/request_traits.h"

namespace rivera::gorouter {
namespace {

constexpr FailureClass kAllFailures[] = {
    FailureClass::kNone,
    FailureClass::kDial,
    FailureClass::kNotTls,
    FailureClass::kNameMismatch,
    FailureClass::kUntrusted,
    FailureClass::kExpired,
    FailureClass::kRemoteFailedCertificateCheck,
    FailureClass::kRemoteHandshake,
    FailureClass::kHandshakeTimeout,
    FailureClass::kResetOnRead,
    FailureClass::kIdempotentEof,
    FailureClass::kIncompleteRequest,
    FailureClass::kClientDisconnected,
    FailureClass::kTimeout,
    FailureClass::kNoEndpoints,
    FailureClass::kOther,
};

RequestTraits traits(const std::string& head) {
  net::Http1Request request;
  net::parse_http1_request(head, request);
  return traits_of(request, net::framing_of(request));
}

TEST(Retry, SendsNothingTwiceOnceTheBodyHasStartedOrTheClientHasDisconnected) {
  for (const FailureClass failure : kAllFailures) {
    for (const bool idle : {false, true}) {
      EXPECT_EQ(next_attempt_after({failure, idle, true, true, false}), NextAttempt::kNone);
      EXPECT_EQ(next_attempt_after({failure, idle, true, false, true}), NextAttempt::kNone);
    }
  }
}

TEST(Retry, TriesAnotherEndpointExactlyAfterRetryableFailures) {
  for (const FailureClass failure : kAllFailures) {
    for (const bool idempotent : {false, true}) {
      const auto expected = is_retryable(failure) ? NextAttempt::kOtherEndpoint : NextAttempt::kNone;
      EXPECT_EQ(next_attempt_after({failure, false, idempotent, false, false}), expected) << static_cast<int>(failure);
    }
  }
}

TEST(Retry, ReplacesAnIdleConnectionThatTheBackendHasClosedForIdempotentRequestsOnly) {
  for (const FailureClass failure : kAllFailures) {
    const bool closed = failure == FailureClass::kIdempotentEof || failure == FailureClass::kIncompleteRequest ||
                        failure == FailureClass::kResetOnRead;
    EXPECT_EQ(next_attempt_after({failure, true, true, false, false}) == NextAttempt::kSameEndpoint, closed)
        << static_cast<int>(failure);
    EXPECT_NE(next_attempt_after({failure, true, false, false, false}), NextAttempt::kSameEndpoint)
        << static_cast<int>(failure);
  }
}

TEST(RequestTraits, SayWhatMayBeSentTwice) {
  EXPECT_TRUE(traits("GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_idempotent);
  EXPECT_TRUE(traits("POST / HTTP/1.1\r\nHost: a\r\nX-Idempotency-Key: 1\r\n\r\n").is_idempotent);
  EXPECT_FALSE(traits("POST / HTTP/1.1\r\nHost: a\r\n\r\n").is_idempotent);
  EXPECT_FALSE(traits("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").is_idempotent);
  EXPECT_FALSE(traits("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n").is_idempotent);
  EXPECT_FALSE(
      traits("PUT / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 1\r\nTransfer-Encoding: chunked\r\n\r\n").is_idempotent);
}

TEST(RequestTraits, ReadsUpgradeExpectationAndHead) {
  const std::string upgrade = "\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  EXPECT_TRUE(traits("GET / HTTP/1.1" + upgrade).is_upgrade);
  EXPECT_FALSE(traits("GET / HTTP/1.0" + upgrade).is_upgrade);
  EXPECT_TRUE(traits("GET / HTTP/1.1" + upgrade).is_websocket);
  EXPECT_FALSE(traits("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1" + upgrade.substr(9)).is_websocket);
  EXPECT_FALSE(traits("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").is_websocket);
  const std::string expect = "\r\nHost: a\r\nExpect: 100-continue\r\n";
  EXPECT_TRUE(traits("PUT / HTTP/1.1" + expect + "Content-Length: 3\r\n\r\n").expects_continue);
  EXPECT_FALSE(traits("PUT / HTTP/1.0" + expect + "Content-Length: 3\r\n\r\n").expects_continue);
  EXPECT_FALSE(traits("PUT / HTTP/1.1" + expect + "Content-Length: 0\r\n\r\n").expects_continue);
  EXPECT_TRUE(traits("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").is_head);
}

}  // namespace
}  // namespace rivera::gorouter
