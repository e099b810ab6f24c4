#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

class DesiredLRPRules : public BoardTest {
 protected:
  models::UpdateDesiredLRPRequest update(const std::string& guid) {
    models::UpdateDesiredLRPRequest request;
    request.set_process_guid(guid);
    request.mutable_update();
    return request;
  }
  Outcome scale(const std::string& guid, int instances) {
    auto request = update(guid);
    request.mutable_update()->set_instances(instances);
    return board_.update_desired_lrp(request, now(), "trace");
  }
};

TEST_F(DesiredLRPRules, DesireCreatesUnclaimedInstancesAndAsksForTheirPlacement) {
  const Outcome outcome = board_.desire_lrp(a_desired_lrp("p").with_instances(3), now(), "trace");
  ASSERT_FALSE(outcome.error);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ordinary("p", i).state(), "UNCLAIMED");
    EXPECT_EQ(ordinary("p", i).since(), nanos());
    EXPECT_EQ(ordinary("p", i).optional_routable_case(), models::ActualLRP::kRoutable);
    EXPECT_FALSE(ordinary("p", i).routable());
  }
  const auto auctions = follow_ups_of<AuctionLRP>(outcome);
  ASSERT_EQ(auctions.size(), 1u);
  EXPECT_EQ(auctions[0].indices, std::vector<std::int32_t>({0, 1, 2}));
  EXPECT_EQ(auctions[0].trace_id, "trace");
  EXPECT_EQ(events_in(outcome, Hub::kDesired), Names({"created"}));
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "created", "created"}));
}

TEST_F(DesiredLRPRules, DesireOfTheSameGuidIsRefused) {
  desire("p", 1);
  const Outcome outcome = board_.desire_lrp(a_desired_lrp("p"), now(), "");
  EXPECT_ERROR(outcome, ResourceExists);
  EXPECT_TRUE(outcome.changes.empty());
}

TEST_F(DesiredLRPRules, ARouteThatIsNotJsonIsRefused) {
  EXPECT_ERROR(board_.desire_lrp(a_desired_lrp("p").with_route("cf-router", "{no json"), now(), ""), InvalidRequest);
  EXPECT_FALSE(board_.records().desired_lrp("p"));
}

TEST_F(DesiredLRPRules, AnEmptyUpdateCountsTheTagUp) {
  desire("p", 1);
  const Outcome outcome = board_.update_desired_lrp(update("p"), now(), "");
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(board_.records().desired_lrp("p")->lrp.modification_tag().index(), 1u);
  EXPECT_EQ(events_in(outcome, Hub::kDesired), Names({"changed"}));
  EXPECT_ERROR(board_.update_desired_lrp(update("none"), now(), ""), ResourceNotFound);
}

// Removal from the front of the ordered instances would make the removal of all quadratic.
TEST_F(DesiredLRPRules, RemovalDeletesInstancesFromTheHighestIndexDown) {
  desire("p", 4);
  const Outcome outcome = board_.remove_desired_lrp("p", "trace");
  std::vector<std::int32_t> removed;
  for (const Change& change : outcome.changes) {
    if (const auto* lrp = std::get_if<Swap<ActualLRPRecord>>(&change)) removed.push_back(instance_index(*lrp->before));
  }
  EXPECT_EQ(removed, std::vector<std::int32_t>({3, 2, 1, 0}));
}

TEST_F(DesiredLRPRules, ScalingUpCreatesOnlyWhatIsNew) {
  desire("p", 1);
  const Outcome outcome = scale("p", 3);
  EXPECT_EQ(follow_ups_of<AuctionLRP>(outcome)[0].indices, std::vector<std::int32_t>({1, 2}));
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "created"}));
  EXPECT_EQ(outcome.events.back().hub, Hub::kDesired) << "published last";
}

TEST_F(DesiredLRPRules, ScalingDownDeletesInstancesThatAreOnNoCellAndStopsTheOthers) {
  desire("p", 3);
  start("p", 2, "cell", "i");
  const Outcome outcome = scale("p", 1);
  EXPECT_TRUE(lrps("p", 1).empty());
  EXPECT_EQ(ordinary("p", 2).state(), "RUNNING");
  const auto stops = follow_ups_of<StopInstance>(outcome);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(instance_index(*stops[0].lrp), 2);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"removed"}));
}

TEST_F(DesiredLRPRules, RemoveLeavesRunningInstancesToTheirReps) {
  desire("p", 2);
  start("p", 0, "cell", "i");
  const Outcome outcome = board_.remove_desired_lrp("p", "");
  EXPECT_FALSE(board_.records().desired_lrp("p"));
  EXPECT_EQ(follow_ups_of<StopInstance>(outcome).size(), 1u);
  EXPECT_EQ(ordinary("p", 0).state(), "RUNNING");
  EXPECT_TRUE(lrps("p", 1).empty());
  EXPECT_EQ(events_in(outcome, Hub::kDesired), Names({"removed"}));
  EXPECT_ERROR(board_.remove_desired_lrp("p", ""), ResourceNotFound);
}

TEST_F(DesiredLRPRules, NewInternalRoutesAndTagsAreSentToTheRepsOfRunningInstances) {
  desire(a_desired_lrp("p").with_instances(2).with_route("internal-router", R"([{"hostname":"a.internal"}])"));
  start("p", 0, "cell", "i");
  auto request = update("p");
  (*request.mutable_update()->mutable_routes()->mutable_routes())["internal-router"] = R"([{"hostname":"b.internal"}])";
  (*request.mutable_update()->mutable_metric_tags())["index"].set_dynamic(models::MetricTagValue::INDEX);
  const auto calls = follow_ups_of<UpdateInstance>(board_.update_desired_lrp(request, now(), ""));
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].internal_routes, std::vector<std::string>({"b.internal"}));
  ASSERT_TRUE(calls[0].metric_tags);
  EXPECT_EQ(calls[0].metric_tags->at("index"), "0");
}

TEST_F(DesiredLRPRules, RemovedInternalRoutesAreSentAsAnEmptyList) {
  desire(a_desired_lrp("p").with_instances(1).with_route("internal-router", R"([{"hostname":"a.internal"}])"));
  start("p", 0, "cell", "i");
  auto request = update("p");
  request.mutable_update()->mutable_routes();
  const auto calls = follow_ups_of<UpdateInstance>(board_.update_desired_lrp(request, now(), ""));
  ASSERT_EQ(calls.size(), 1u);
  ASSERT_TRUE(calls[0].internal_routes);
  EXPECT_TRUE(calls[0].internal_routes->empty());
  EXPECT_FALSE(calls[0].metric_tags);
}

TEST_F(DesiredLRPRules, OtherRoutesAreNotSentToTheReps) {
  desire(a_desired_lrp("p").with_instances(1).with_route("cf-router", "[]"));
  start("p", 0, "cell", "i");
  auto request = update("p");
  (*request.mutable_update()->mutable_routes()->mutable_routes())["cf-router"] = "[1]";
  EXPECT_TRUE(board_.update_desired_lrp(request, now(), "").follow_ups.empty());
}

TEST_F(DesiredLRPRules, DomainsWithoutTtlNeverExpire) {
  models::UpsertDomainRequest request;
  request.set_domain("d");
  EXPECT_EQ(board_.upsert_domain(request, now()).changes.size(), 1u);
  EXPECT_TRUE(board_.upsert_domain(request, now()).changes.empty());
  EXPECT_EQ(board_.records().domain("d")->expires_at, std::numeric_limits<std::int64_t>::max());
  request.set_ttl(5);
  board_.upsert_domain(request, now());
  EXPECT_EQ(board_.records().domain("d")->expires_at, base::to_unix_nanos(now() + 5s));
}

// The Board with the smallest portions, and what it leaves to do.
class BoardInPortions : public BoardTest {
 protected:
  BoardInPortions() { board_ = Board({3, 2}, guids_in_order()); }

  // Runs what `outcome` has left to its end; returns in how many portions.
  int finish(Outcome outcome) {
    int portions = 1;
    for (; !outcome.rest.empty(); ++portions) {
      EXPECT_LE(outcome.changes.size(), 3u) << "the process, and two instances";
      outcome = board_.proceed(std::move(outcome.rest), now());
      for (const auto& call : follow_ups_of<UpdateInstance>(outcome)) updated_.push_back(instance_index(*call.lrp));
      for (const auto& call : follow_ups_of<StopInstance>(outcome)) stopped_.push_back(instance_index(*call.lrp));
    }
    return portions;
  }
  Outcome update(int instances, const std::string& tag = "") {
    models::UpdateDesiredLRPRequest request;
    request.set_process_guid("p");
    request.mutable_update()->set_instances(instances);
    if (!tag.empty()) (*request.mutable_update()->mutable_metric_tags())["t"].set_static_(tag);
    return board_.update_desired_lrp(request, now(), "");
  }
  std::size_t instances() const { return board_.records().actual_lrp_count(); }

  std::vector<std::int32_t> updated_, stopped_;
};

TEST_F(BoardInPortions, CreatesAndRemovesInstances) {
  EXPECT_EQ(finish(board_.desire_lrp(a_desired_lrp("p").with_instances(7), now(), "")), 4);
  EXPECT_EQ(instances(), 7u);
  EXPECT_EQ(finish(update(2)), 3);
  EXPECT_EQ(instances(), 2u);
  EXPECT_EQ(finish(update(7)), 3);
  EXPECT_EQ(finish(board_.remove_desired_lrp("p", "")), 4);
  EXPECT_EQ(instances(), 0u);
  EXPECT_TRUE(board_.records().processes().empty());
}

TEST_F(BoardInPortions, StopsAndUpdatesEachInstanceOnItsCellOnce) {
  finish(board_.desire_lrp(a_desired_lrp("p").with_instances(6), now(), ""));
  for (int i = 0; i < 6; ++i) start("p", i, "cell", "i" + std::to_string(i));
  Outcome scaled = update(3, "new");
  for (const auto& call : follow_ups_of<StopInstance>(scaled)) stopped_.push_back(instance_index(*call.lrp));
  finish(std::move(scaled));
  EXPECT_EQ(stopped_, std::vector<std::int32_t>({5, 4, 3}));
  EXPECT_EQ(updated_, std::vector<std::int32_t>({0, 1, 2, 3, 4, 5}));
}

TEST_F(BoardInPortions, WhatComesBetweenTwoPortionsCounts) {
  Outcome left = board_.desire_lrp(a_desired_lrp("p").with_instances(6), now(), "");
  finish(update(3));
  finish(std::move(left));
  EXPECT_EQ(instances(), 3u) << "scaled down meanwhile";

  Outcome removal = board_.remove_desired_lrp("p", "");
  finish(board_.desire_lrp(a_desired_lrp("p").with_instances(3), now(), ""));
  finish(std::move(removal));
  EXPECT_EQ(instances(), 3u) << "desired again meanwhile";
}

}  // namespace
}  // namespace rivera::bbs
