#include "bbs/events/event_hub.h"

#include <chrono>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "bbs/events/event_testing.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;
using Batch = std::vector<EncodedEvent>;

const EventRing::Filter kAnyInstance{{Hub::kInstance}, "", EventForm::kCurrent};

// The test runs the strands of the hub and the streams by hand: work happens only in settle().
class EventHubTest : public testing::Test {
 protected:
  std::unique_ptr<EventSource> subscribe(EventRing::Filter filter, const std::string& last_event_id = "") {
    return hub_->subscribe(asio::make_strand(io_), std::move(filter), last_event_id);
  }

  // Runs until nothing is left to do.
  void settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }

  // Asks for the next batch, which comes into `into` when there is one.
  void ask(EventSource& source, std::optional<Batch>& into) {
    auto asking = [](EventSource& from, std::optional<Batch>& to) -> asio::awaitable<void> {
      to = co_await from.next();
    };
    auto work = asking(source, into);
    asio::co_spawn(asio::make_strand(io_), std::move(work), asio::detached);
    settle();
  }

  // The events that are available without waiting.
  std::optional<Batch> next(EventSource& source) {
    std::optional<Batch> batch;
    ask(source, batch);
    EXPECT_TRUE(batch) << "it waits";
    return batch;
  }
  bool is_over(EventSource& source) {
    const auto batch = next(source);
    return batch && batch->empty();
  }

  asio::io_context io_;
  std::unique_ptr<EventHub> hub_ = std::make_unique<EventHub>(asio::make_strand(io_), EventRing::Limits{100, 1u << 30});
};

std::string id_of(const EncodedEvent& event) { return event->substr(4, event->find('\n') - 4); }

TEST_F(EventHubTest, WakesOnlyStreamsThatWaitForSuchAnEvent) {
  const auto all = subscribe(kAnyInstance);
  const auto cell = subscribe({{Hub::kInstance}, "a", EventForm::kCurrent});
  std::optional<Batch> of_all, of_cell;
  ask(*all, of_all);
  ask(*cell, of_cell);
  EXPECT_FALSE(of_all);
  hub_->publish({created_on("b"), created_on("b")});
  settle();
  ASSERT_TRUE(of_all);
  EXPECT_EQ(of_all->size(), 2u) << "what is published together arrives together";
  EXPECT_FALSE(of_cell);
  hub_->publish({created_on("a")});
  settle();
  ASSERT_TRUE(of_cell);
  EXPECT_EQ(of_cell->size(), 1u);
}

TEST_F(EventHubTest, GivesWhatCameWhileTheStreamWasBusy) {
  const auto source = subscribe(kAnyInstance);
  settle();
  for (int i = 0; i < 3; ++i) hub_->publish({created_on("a")});
  EXPECT_EQ(next(*source)->size(), 3u);
}

TEST_F(EventHubTest, SendsANewStreamNoEarlierEvents) {
  hub_->publish({created_on("a")});
  const auto source = subscribe(kAnyInstance);
  settle();
  hub_->publish({created_on("a"), created_on("a")});
  EXPECT_EQ(next(*source)->size(), 2u);
}

TEST_F(EventHubTest, NumbersEventsOneAfterTheOther) {
  const auto source = subscribe(kAnyInstance);
  settle();
  hub_->publish({created_on("a"), task_created(), created_on("a")});
  const auto batch = next(*source);
  ASSERT_EQ(batch->size(), 2u);
  EXPECT_EQ(id_of(batch->at(0)).size(), 19u);
  EXPECT_EQ(std::stoull(id_of(batch->at(1))), std::stoull(id_of(batch->at(0))) + 2) << "over all hubs";
}

TEST_F(EventHubTest, ResumesAStreamAfterItsLastEvent) {
  auto source = subscribe(kAnyInstance);
  settle();
  hub_->publish({created_on("a"), created_on("b"), created_on("a")});
  const std::string first = id_of(next(*source)->at(0));
  source.reset();
  const auto again = subscribe(kAnyInstance, first);
  EXPECT_EQ(next(*again)->size(), 2u);
  const auto filtered = subscribe({{Hub::kInstance}, "b", EventForm::kCurrent}, first);
  EXPECT_EQ(next(*filtered)->size(), 1u);
  std::optional<Batch> batch;
  ask(*filtered, batch);
  EXPECT_FALSE(batch) << "and then continues";
  hub_->publish({created_on("b")});
  settle();
  EXPECT_TRUE(batch && batch->size() == 1);
}

TEST_F(EventHubTest, EndsAStreamThatCannotBeTakenUpWithoutAGap) {
  const auto source = subscribe(kAnyInstance);
  settle();
  hub_->publish({created_on("a"), created_on("a")});
  const std::string first = id_of(next(*source)->at(0));
  for (int i = 0; i < 100; ++i) hub_->publish({created_on("a")});
  EXPECT_TRUE(is_over(*subscribe(kAnyInstance, first))) << "forgotten";
  EXPECT_TRUE(is_over(*subscribe(kAnyInstance, "17"))) << "of another BBS";
  EXPECT_TRUE(is_over(*subscribe(kAnyInstance, "nonsense")));
  EXPECT_TRUE(is_over(*subscribe(kAnyInstance, first + "x")));
  EXPECT_TRUE(is_over(*subscribe(kAnyInstance, "99999999999999999999999")));
  EventHub other(asio::make_strand(io_));
  other.publish({created_on("a"), created_on("a")});
  const auto foreign = other.subscribe(asio::make_strand(io_), kAnyInstance, first);
  EXPECT_TRUE(is_over(*foreign));
}

TEST_F(EventHubTest, EndsAStreamThatTheRingOvertakes) {
  const auto slow = subscribe(kAnyInstance);
  settle();
  for (int i = 0; i < 100; ++i) hub_->publish({created_on("a")});
  hub_->publish({task_created()});
  EXPECT_TRUE(is_over(*slow));
  EXPECT_TRUE(is_over(*slow)) << "and it stays so";
}

TEST_F(EventHubTest, ClosingEndsPresentStreamsWhenTheyHaveHadAllAndLaterOnesAtOnce) {
  const auto waiting = subscribe({{Hub::kTask}, "", EventForm::kCurrent});
  const auto busy = subscribe(kAnyInstance);
  std::optional<Batch> batch;
  ask(*waiting, batch);
  hub_->publish({created_on("a")});
  hub_->close();
  settle();
  EXPECT_TRUE(batch && batch->empty());
  EXPECT_EQ(next(*busy)->size(), 1u);
  EXPECT_TRUE(is_over(*busy));
  EXPECT_TRUE(is_over(*subscribe(kAnyInstance)));
}

TEST_F(EventHubTest, RemovesAStreamThatIsClosed) {
  auto waiting = subscribe(kAnyInstance);
  std::optional<Batch> batch;
  ask(*waiting, batch);
  EXPECT_EQ(hub_->subscribers(), 1u);
  auto ended = subscribe(kAnyInstance, "17");
  settle();
  ended.reset();
  settle();
  EXPECT_EQ(hub_->subscribers(), 1u);
}

TEST_F(EventHubTest, StreamsMayOutliveIt) {
  const auto attached = subscribe(kAnyInstance);
  std::optional<Batch> batch;
  ask(*attached, batch);
  const auto late = subscribe(kAnyInstance);
  hub_.reset();
  settle();
  EXPECT_TRUE(batch && batch->empty());
  EXPECT_TRUE(is_over(*late));
}

}  // namespace
}  // namespace rivera::bbs
