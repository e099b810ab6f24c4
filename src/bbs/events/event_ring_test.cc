#include "bbs/events/event_ring.h"

#include "bbs/events/event_testing.h"

namespace rivera::bbs {
namespace {

using Filter = EventRing::Filter;

constexpr EventId kFirst = 1000;
constexpr std::size_t kPlenty = 1u << 20;

const Filter kInstanceFilter{{Hub::kDesired, Hub::kInstance}, "", EventForm::kCurrent};
const Filter kTaskFilter{{Hub::kTask}, "", EventForm::kCurrent};

Filter on_cell(const std::string& cell) { return {{Hub::kDesired, Hub::kInstance}, cell, EventForm::kCurrent}; }

std::vector<EventId> ids_of(const std::vector<EncodedEvent>& events) {
  std::vector<EventId> ids;
  for (const EncodedEvent& event : events) {
    EXPECT_TRUE(event->starts_with("id: ")) << *event;
    ids.push_back(std::stoull(event->substr(4)));
  }
  return ids;
}
using Ids = std::vector<EventId>;

std::unique_ptr<EventRing::Cursor> at_end(EventRing& ring, Filter filter) {
  return ring.at_end(std::move(filter), [] {});
}
std::unique_ptr<EventRing::Cursor> behind(EventRing& ring, EventId last, Filter filter) {
  return ring.behind(last, std::move(filter), [] {});
}

TEST(EventRing, GivesEachStreamItsEventsInTheOrderOfTheirIds) {
  EventRing ring(kFirst);
  const auto all = at_end(ring, kInstanceFilter);
  const auto cell = at_end(ring, on_cell("a"));
  const auto tasks = at_end(ring, kTaskFilter);
  ring.append(created_on("a"));    // 1000
  ring.append(created_on("b"));    // 1001
  ring.append(desired_created());  // 1002
  ring.append(task_created());     // 1003
  ring.append(created_on("a"));    // 1004
  EXPECT_EQ(ids_of(all->take(kPlenty)), Ids({1000, 1001, 1002, 1004}));
  EXPECT_EQ(ids_of(cell->take(kPlenty)), Ids({1000, 1002, 1004}));
  EXPECT_EQ(ids_of(tasks->take(kPlenty)), Ids({1003}));
  EXPECT_TRUE(all->take(kPlenty).empty());
}

TEST(EventRing, EncodesAnEventOnceAndAsItStandsOnAStream) {
  EventRing ring(kFirst);
  const auto one = at_end(ring, kInstanceFilter);
  const auto two = at_end(ring, on_cell("a"));
  const Event event = created_on("a");
  ring.append(event);
  const auto taken = one->take(kPlenty);
  EXPECT_EQ(*taken.at(0), "id: 1000\nevent: actual_lrp_instance_created\ndata: " +
                              base::to_base64(encode(event, EventForm::kCurrent)) + "\n\n");
  EXPECT_EQ(two->take(kPlenty).at(0), taken[0]);
}

TEST(EventRing, KeepsBothFormsOfADefinition) {
  EventRing ring(kFirst);
  const auto current = at_end(ring, {{Hub::kDesired}, "", EventForm::kCurrent});
  const auto old = at_end(ring, {{Hub::kDesired}, "", EventForm::kR0});
  auto lrp = models::testing::a_desired_lrp("p").build();
  lrp.set_start_timeout_ms(5000);
  const Event event{Hub::kDesired, DesiredLRPEvent{nullptr, make_desired_lrp(lrp, 0), ""}};
  ring.append(event);
  const auto as_r1 = current->take(kPlenty), as_r0 = old->take(kPlenty);
  EXPECT_NE(*as_r1.at(0), *as_r0.at(0));
  EXPECT_EQ(behind(ring, kFirst, {{Hub::kDesired}, "", EventForm::kR0})->take(kPlenty).size(), 0u);
  EXPECT_NE(as_r0[0]->find(base::to_base64(encode(event, EventForm::kR0))), std::string::npos);
}

TEST(EventRing, LetsGoOfTheRecordsOfWhatIsEncoded) {
  EventRing ring(kFirst);
  const auto cursor = at_end(ring, kInstanceFilter);
  std::weak_ptr<const ActualLRPRecord> lrp;
  {
    const ActualLRPPtr made = record(models::testing::an_actual_lrp("p", 0).running_on("a", "i"));
    lrp = made;
    ring.append(instance_event(nullptr, made));
  }
  EXPECT_FALSE(lrp.expired()) << "the event was not read yet";
  const std::size_t before = ring.bytes();
  cursor->take(kPlenty);
  EXPECT_TRUE(lrp.expired());
  EXPECT_LT(ring.bytes(), before);
}

TEST(EventRing, WakesOnlyCursorsThatAnEventConcerns) {
  EventRing ring(kFirst);
  int wakes_of_all = 0, wakes_of_a = 0;
  const auto all = ring.at_end(kInstanceFilter, [&] { ++wakes_of_all; });
  const auto a = ring.at_end(on_cell("a"), [&] { ++wakes_of_a; });
  ring.append(created_on("b"));
  EXPECT_EQ(wakes_of_all, 1);
  EXPECT_EQ(wakes_of_a, 0);
  ring.append(created_on("a"));
  ring.append(desired_created());
  EXPECT_EQ(wakes_of_all, 3);
  EXPECT_EQ(wakes_of_a, 2);
  ring.append(task_created());
  EXPECT_EQ(wakes_of_all, 3);
}

TEST(EventRing, TakesWhatFitsIntoABatchAndAtLeastOneEvent) {
  EventRing ring(kFirst);
  const auto cursor = at_end(ring, kInstanceFilter);
  for (int i = 0; i < 10; ++i) ring.append(created_on("a"));
  const std::size_t one = cursor->take(1).at(0)->size();
  EXPECT_EQ(cursor->take(3 * one).size(), 3u);
  EXPECT_EQ(ids_of(cursor->take(kPlenty)), Ids({1004, 1005, 1006, 1007, 1008, 1009}));
}

TEST(EventRing, BeginsBehindAnEarlierEventWithWhateverFilter) {
  EventRing ring(kFirst);
  for (const char* cell : {"a", "b", "a", "b"}) ring.append(created_on(cell));
  ring.append(task_created());
  EXPECT_EQ(ids_of(behind(ring, 1000, kInstanceFilter)->take(kPlenty)), Ids({1001, 1002, 1003}));
  EXPECT_EQ(ids_of(behind(ring, 1000, on_cell("a"))->take(kPlenty)), Ids({1002}));
  EXPECT_EQ(ids_of(behind(ring, 1001, on_cell("b"))->take(kPlenty)), Ids({1003}));
  EXPECT_EQ(ids_of(behind(ring, 1001, on_cell("never seen"))->take(kPlenty)), Ids());
  EXPECT_EQ(ids_of(behind(ring, 1000, kTaskFilter)->take(kPlenty)), Ids({1004}));
  EXPECT_EQ(ids_of(behind(ring, 1004, kInstanceFilter)->take(kPlenty)), Ids()) << "the newest: nothing was missed";
}

TEST(EventRing, HasNoPlaceForIdsThatItDidNotGive) {
  EventRing ring(kFirst);
  EXPECT_FALSE(behind(ring, kFirst, kInstanceFilter)) << "not given yet";
  ring.append(created_on("a"));
  EXPECT_TRUE(behind(ring, kFirst, kInstanceFilter));
  EXPECT_FALSE(behind(ring, kFirst - 1, kInstanceFilter));
  EXPECT_FALSE(behind(ring, kFirst + 1, kInstanceFilter));
  EXPECT_FALSE(behind(ring, 0, kInstanceFilter));
}

TEST(EventRing, ForgetsTheOldestEventsBeyondItsNumber) {
  EventRing ring(kFirst, {3, 1u << 30});
  for (int i = 0; i < 5; ++i) ring.append(created_on("a"));
  EXPECT_EQ(ring.size(), 3u);
  EXPECT_EQ(ids_of(behind(ring, 1001, kInstanceFilter)->take(kPlenty)), Ids({1002, 1003, 1004}));
  EXPECT_FALSE(behind(ring, 1000, kInstanceFilter)) << "1001 is forgotten";
  EXPECT_FALSE(behind(ring, 1000, on_cell("a")));
  EXPECT_FALSE(behind(ring, 1000, on_cell("b"))) << "who knows what was forgotten of a cell without events";
  EXPECT_TRUE(behind(ring, 1000, kTaskFilter)) << "no task event was forgotten";
}

TEST(EventRing, ForgetsTheOldestEventsBeyondItsBytes) {
  EventRing ring(kFirst, {1000, 100'000});
  const auto cursor = at_end(ring, {{Hub::kTask}, "", EventForm::kR0});
  auto task = models::testing::a_task("t");
  task.set_result(std::string(5'000, 'r'));
  for (int i = 0; i < 100; ++i) {
    ring.append({Hub::kTask, TaskEvent{nullptr, make_task(task)}});
    cursor->take(kPlenty);
    EXPECT_LE(ring.bytes(), 110'000u) << "what was encoded last counts at the next event";
  }
  EXPECT_LT(ring.size(), 10u);
  task.set_result(std::string(1'000'000, 'r'));
  ring.append({Hub::kTask, TaskEvent{nullptr, make_task(task)}});
  EXPECT_EQ(ring.size(), 1u) << "the newest stays, however large";
  EXPECT_EQ(cursor->take(kPlenty).size(), 1u);
}

TEST(EventRing, OvertakesASlowStreamButNoneThatHadAllOfItsEvents) {
  EventRing ring(kFirst, {10, 1u << 30});
  const auto slow = at_end(ring, kInstanceFilter);
  const auto quiet = at_end(ring, on_cell("quiet"));
  ring.append(created_on("quiet"));
  EXPECT_EQ(quiet->take(kPlenty).size(), 1u);
  for (int i = 0; i < 9; ++i) ring.append(created_on("a"));
  EXPECT_FALSE(slow->is_overtaken());
  ring.append(created_on("a"));
  EXPECT_TRUE(slow->is_overtaken());
  EXPECT_TRUE(slow->take(kPlenty).empty()) << "nothing behind a gap";
  EXPECT_FALSE(quiet->is_overtaken());
  ring.append(created_on("quiet"));
  EXPECT_EQ(ids_of(quiet->take(kPlenty)), Ids({1011}));
}

}  // namespace
}  // namespace rivera::bbs
