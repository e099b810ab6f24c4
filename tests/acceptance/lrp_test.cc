// Long-running processes from desire to removal, through the BBS and the router.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class Lrp : public ::testing::Test {
 protected:
  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const std::string guid_ = unique_guid("app");
};

TEST_F(Lrp, BothInstancesServeUnderTheirHostName) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 2));
  EXPECT_TRUE(eventually([&] { return app.serves(2); }));
}

TEST_F(Lrp, ReportsWhereAnInstanceRuns) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 1));
  ASSERT_TRUE(eventually([&] { return app.running() == 1; }));
  const models::ActualLRP instance = app.instance(0);
  EXPECT_EQ(instance.actual_lrp_instance_key().cell_id(), cluster_.settings().cell_id);
  EXPECT_EQ(instance.actual_lrp_net_info().address(), cluster_.settings().host_address);
  ASSERT_EQ(instance.actual_lrp_net_info().ports_size(), 1);
  EXPECT_EQ(instance.actual_lrp_net_info().ports(0).container_port(), kAppPort);
  EXPECT_GE(instance.actual_lrp_net_info().ports(0).host_port(), cluster_.settings().port_pool_start);
}

TEST_F(Lrp, ScalesUpAndDownWithItsRoutes) {
  RunningApp app(cluster_, a_web_app(cluster_, guid_, 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  app.scale(3);
  ASSERT_TRUE(eventually([&] { return app.serves(3); }));
  app.scale(1);
  EXPECT_TRUE(eventually([&] { return app.serves(1); }));
  EXPECT_EQ(app.instances().size(), 1u);
}

TEST_F(Lrp, ScaledToNothingItIsUnknownToTheRouter) {
  RunningApp app(cluster_, a_web_app(cluster_, guid_, 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  app.scale(0);
  EXPECT_TRUE(eventually([&] { return app.instances().empty() && cluster_.get(app.hostname()).status == 404; }));
}

TEST_F(Lrp, RemovedItsInstancesAndContainersGo) {
  RunningApp app(cluster_, a_web_app(cluster_, guid_, 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const std::string handle = app.instance(0).actual_lrp_instance_key().instance_guid();
  ASSERT_NE(init_pid(handle), 0);
  app.remove();
  EXPECT_TRUE(eventually([&] { return app.instances().empty(); }));
  EXPECT_TRUE(eventually([&] { return init_pid(handle) == 0; }));
  EXPECT_TRUE(eventually([&] { return cluster_.get(app.hostname()).status == 404; }));
}

TEST_F(Lrp, AHostNameWithoutAnAppIsAnUnknownRoute) {
  const net::HttpResponse response = cluster_.get("nobody.localhost");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.headers.get("X-Cf-Routererror"), "unknown_route");
  EXPECT_EQ(response.body, "404 Not Found: Requested route ('nobody.localhost') does not exist.\n");
}

TEST_F(Lrp, ARouteThatIsAddedLaterLeadsToItToo) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  const std::string added = "added-" + app.hostname();
  cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    models::DesiredLRPUpdate update;
    (*update.mutable_routes()->mutable_routes())["cf-router"] = R"([{"hostnames":[")" + added + R"("],"port":8080}])";
    co_await bbs.update_desired_lrp(app.guid(), std::move(update));
    co_return true;
  });
  EXPECT_TRUE(eventually([&] { return cluster_.get(added).status == 200; }, seconds(10)));
  EXPECT_TRUE(eventually([&] { return cluster_.get(app.hostname()).status == 404; }, seconds(10)));
}

TEST_F(Lrp, MoreThanTheCellHasIsAPlacementError) {
  models::DesiredLRP huge = a_process(cluster_, guid_, "sleep 1000");
  huge.set_memory_mb(100'000);
  const RunningApp app(cluster_, huge);
  ASSERT_TRUE(eventually([&] { return !app.instance(0).placement_error().empty(); }));
  EXPECT_THAT(app.instance(0).placement_error(), HasSubstr("insufficient resources"));
  EXPECT_EQ(app.instance(0).state(), "UNCLAIMED");
}

TEST_F(Lrp, ARootFilesystemNoCellHasIsAPlacementError) {
  models::DesiredLRP lrp = a_process(cluster_, guid_, "sleep 1000");
  lrp.set_root_fs("preloaded:no-such-stack");
  const RunningApp app(cluster_, lrp);
  ASSERT_TRUE(eventually([&] { return !app.instance(0).placement_error().empty(); }));
  EXPECT_THAT(app.instance(0).placement_error(), HasSubstr("found no compatible cell"));
}

TEST_F(Lrp, ADefinitionThatBreaksTheRulesIsRefused) {
  models::DesiredLRP lrp = a_process(cluster_, guid_, "true");
  lrp.clear_domain();
  lrp.set_memory_mb(-1);
  const auto refused = cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<std::string> {
    std::string message;
    try {
      co_await bbs.desire_lrp(lrp);
    } catch (const std::exception& e) {
      message = e.what();
    }
    co_return message;
  });
  EXPECT_THAT(refused, HasSubstr("domain"));
}

}  // namespace
}  // namespace rivera::harness
