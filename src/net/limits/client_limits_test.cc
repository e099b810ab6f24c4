#include "net/limits/client_limits.h"

#include <gtest/gtest.h>

namespace rivera::net {
namespace {

using namespace std::chrono_literals;
using Instant = Pace::Instant;

constexpr auto kSecondsWorth = static_cast<std::size_t>(Pace::kBytesPerSecond);

ClientLimits read(boost::json::object values) {
  const base::ConfigFile file("file", std::move(values), {client_limits_key()});
  return read_client_limits(file);
}

TEST(ClientLimits, AreThoseOfTheConfiguration) {
  const ClientLimits limits = read({{"client_limits",
                                     {{"handshake_timeout", "1s"},
                                      {"head_timeout", "2s"},
                                      {"body_timeout", "3s"},
                                      {"transfer_timeout", "4s"},
                                      {"write_timeout", "5s"},
                                      {"idle_timeout", "6s"}}}});
  EXPECT_EQ(limits.handshake, 1s);
  EXPECT_EQ(limits.head, 2s);
  EXPECT_EQ(limits.body, 3s);
  EXPECT_EQ(limits.transfer, 4s);
  EXPECT_EQ(limits.write, 5s);
  EXPECT_EQ(limits.idle, 6s);
}

TEST(ClientLimits, HaveDefaultsAndAreNeverZero) {
  EXPECT_EQ(read({}).head, ClientLimits().head);
  EXPECT_EQ(read({{"client_limits", {{"idle_timeout", "1s"}}}}).head, ClientLimits().head);
  EXPECT_THROW(read({{"client_limits", {{"head_timeout", "0s"}}}}), base::ConfigError);
}

TEST(Pace, RunsOutForOneThatTrickles) {
  Pace pace(10s);
  Instant now{};
  for (int i = 0; i < 9; ++i) {
    EXPECT_GT(pace.begin(now), now);
    now += 1s;
    pace.end(now, 1);
  }
  EXPECT_LT(pace.begin(now) - now, 1100ms);
}

TEST(Pace, AllowsAPauseOfTheWholeGraceAgainAfterEnoughBytes) {
  Pace pace(10s);
  Instant now{};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(pace.begin(now), now + 10s);
    now += 9s;
    pace.end(now, 9 * kSecondsWorth);
  }
}

TEST(Pace, SavesNothingUp) {
  Pace pace(10s);
  const Instant now{};
  pace.begin(now);
  pace.end(now, 1000 * kSecondsWorth);
  EXPECT_EQ(pace.begin(now), now + 10s);
}

TEST(Pace, DoesNotCountWhatThisSideDoes) {
  Pace pace(10s);
  Instant now{};
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pace.begin(now), now + 10s);
    pace.end(now, 1);
    now += 5s;
  }
}

TEST(Pace, GivesAPieceTheTimeThatItNeeds) {
  Pace pace(10s);
  const Instant now{};
  EXPECT_EQ(pace.begin(now, 5 * kSecondsWorth), now + 15s);
}

}  // namespace
}  // namespace rivera::net
