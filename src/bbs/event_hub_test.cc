#include "bbs/event_hub.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "models/testing.h"

namespace rivera::bbs {
namespace {

using models::testing::an_actual_lrp;

class EventHubTest : public testing::Test {
 protected:
  Event created_on(const std::string& cell) {
    return {Hub::kInstance, InstanceEvent{nullptr, make_actual_lrp(an_actual_lrp("p", 0).running_on(cell, "i")), ""}};
  }
  Event domain_free_desired() {
    return {Hub::kDesired, DesiredLRPEvent{nullptr, make_desired_lrp(models::testing::a_desired_lrp("p"), 0), ""}};
  }

  std::vector<EncodedEvent> next(Subscription& subscription) {
    auto answer = asio::co_spawn(io_, subscription.next(), asio::use_future);
    io_.restart();
    io_.run();
    return answer.get();
  }

  asio::io_context io_;
  EventHub hub_{io_.get_executor()};
};

TEST_F(EventHubTest, TellsSubscribersOfTheirHubsAndCellOnly) {
  auto all = hub_.subscribe({{Hub::kDesired, Hub::kInstance}, "", EventForm::kCurrent});
  auto cell = hub_.subscribe({{Hub::kDesired, Hub::kInstance}, "cell-1", EventForm::kCurrent});
  auto tasks = hub_.subscribe({{Hub::kTask}, "", EventForm::kCurrent});
  hub_.publish({created_on("cell-1"), created_on("cell-2"), domain_free_desired()});
  EXPECT_EQ(next(*all).size(), 3u);
  const auto of_cell = next(*cell);
  ASSERT_EQ(of_cell.size(), 2u);
  EXPECT_TRUE(of_cell[0]->starts_with("event: actual_lrp_instance_created\ndata: "));
  EXPECT_TRUE(of_cell[0]->ends_with("\n\n"));
  tasks->close();
  EXPECT_TRUE(next(*tasks).empty());
}

TEST_F(EventHubTest, EncodesAnEventOnceForAll) {
  auto one = hub_.subscribe({{Hub::kInstance}, "", EventForm::kCurrent});
  auto two = hub_.subscribe({{Hub::kInstance}, "", EventForm::kCurrent});
  hub_.publish({created_on("cell")});
  EXPECT_EQ(next(*one)[0].get(), next(*two)[0].get());
}

TEST_F(EventHubTest, CutsOffASlowSubscriberWhichFirstDrainsWhatItHas) {
  auto slow = hub_.subscribe({{Hub::kDesired, Hub::kInstance}, "", EventForm::kCurrent});
  hub_.publish({domain_free_desired()});
  const Event event = created_on("cell");
  for (std::size_t i = 0; i < Subscription::kBuffer + 1; ++i) hub_.publish({event});
  hub_.publish({event});
  EXPECT_EQ(next(*slow).size(), Subscription::kBuffer + 1) << "one desired and a buffer of instance events";
  EXPECT_TRUE(next(*slow).empty()) << "the stream is over";
}

TEST_F(EventHubTest, ClosingEndsPresentAndLaterStreams) {
  auto present = hub_.subscribe({{Hub::kTask}, "", EventForm::kCurrent});
  hub_.close();
  EXPECT_TRUE(next(*present).empty());
  auto later = hub_.subscribe({{Hub::kTask}, "", EventForm::kCurrent});
  EXPECT_TRUE(next(*later).empty());
}

TEST_F(EventHubTest, ForgetsASubscriberThatIsGone) {
  hub_.subscribe({{Hub::kTask}, "", EventForm::kCurrent}).reset();
  EXPECT_EQ(hub_.subscribers(), 0u);
}

TEST(Event, AChangeOfAnInstanceCarriesTheKeyOfWhatWasThere) {
  const ActualLRPPtr before = make_actual_lrp(an_actual_lrp("p", 0).running_on("cell", "i"));
  const ActualLRPPtr after = make_actual_lrp(an_actual_lrp("p", 0).crashed(3));
  const Event event{Hub::kInstance, InstanceEvent{before, after, "trace"}};
  models::ActualLRPInstanceChangedEvent message;
  ASSERT_TRUE(message.ParseFromString(encode(event, EventForm::kCurrent)));
  EXPECT_EQ(message.actual_lrp_instance_key().cell_id(), "cell");
  EXPECT_EQ(message.trace_id(), "trace");
  EXPECT_TRUE(concerns_cell(event, "cell"));
  EXPECT_FALSE(concerns_cell(event, "other"));
}

TEST(Event, AGroupIsOnTheCellOfWhatItResolvesTo) {
  const ActualLRPPtr running = make_actual_lrp(an_actual_lrp("p", 0).running_on("new", "j"));
  const ActualLRPPtr claimed = make_actual_lrp(an_actual_lrp("p", 0).claimed_by("new", "j"));
  const ActualLRPPtr evacuating =
      make_actual_lrp(an_actual_lrp("p", 0).running_on("old", "i").with_presence(models::ActualLRP::EVACUATING));
  const Event waiting{Hub::kGroup, GroupEvent{{}, {claimed, evacuating}}};
  EXPECT_TRUE(concerns_cell(waiting, "old"));
  EXPECT_FALSE(concerns_cell(waiting, "new"));
  const Event replaced{Hub::kGroup, GroupEvent{{}, {running, evacuating}}};
  EXPECT_TRUE(concerns_cell(replaced, "new"));
}

}  // namespace
}  // namespace rivera::bbs
