// A BBS while another program writes to its database, or has written rows that cannot be read.
#include "bbs/program/bbs_harness.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

class ReconcileTest : public BbsHarness {
 protected:
  void execute(const std::string& sql, sql::Parameters parameters = {}) {
    database_->connect().execute(sql, parameters);
  }
  std::string text(const std::string& query) {
    std::string found;
    database_->connect().query_one(query, {}, [&](const sql::Row& row) { found = row.text(0); });
    return found;
  }

  void desire(const std::string& guid, int instances) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() = models::testing::a_desired_lrp(guid).with_instances(instances);
    EXPECT_FALSE(call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request).has_error());
  }
  void desire_task(const std::string& guid) {
    models::DesireTaskRequest request;
    request.set_task_guid(guid);
    request.set_domain("domain");
    *request.mutable_task_definition() = models::testing::a_task_definition();
    EXPECT_FALSE(call<models::TaskLifecycleResponse>("/v1/tasks/desire.r2", request).has_error());
  }

  int instances(const std::string& guid) {
    models::ActualLRPsRequest request;
    request.set_process_guid(guid);
    return call<models::ActualLRPsResponse>("/v1/actual_lrps/list", request).actual_lrps_size();
  }
  models::DesiredLRPResponse desired(const std::string& guid) {
    models::DesiredLRPByProcessGuidRequest request;
    request.set_process_guid(guid);
    return call<models::DesiredLRPResponse>("/v1/desired_lrps/get_by_process_guid.r3", request);
  }
  models::TasksResponse tasks(const std::string& domain = "") {
    models::TasksRequest request;
    request.set_domain(domain);
    return call<models::TasksResponse>("/v1/tasks/list.r3", request);
  }
  void restart() {
    stop();
    client_.reset();
    start();
  }
};

TEST_F(ReconcileTest, ConvergenceActsOnWhatOthersHaveWritten) {
  start();
  desire("grows", 1);
  desire("shrinks", 3);
  execute("UPDATE desired_lrps SET instances = 4 WHERE process_guid = 'grows'");
  execute("DELETE FROM actual_lrps WHERE process_guid = 'shrinks' AND instance_index = 2");
  execute("UPDATE desired_lrps SET instances = 2 WHERE process_guid = 'shrinks'");
  run(active_->converge());
  EXPECT_EQ(instances("grows"), 4);
  EXPECT_EQ(instances("shrinks"), 2);
  EXPECT_EQ(text("SELECT COUNT(*) FROM actual_lrps"), "6");
}

TEST_F(ReconcileTest, RowsThatOthersDeletedAreMissed) {
  config_.convergence.interval = std::chrono::hours(1);
  start();
  for (const char* guid : {"p", "q"}) desire(guid, 100);
  for (const char* guid : {"t", "u"}) desire_task(guid);
  execute("INSERT INTO domains (domain, expire_time) VALUES ('domain', 9223372036854775807)");
  run(active_->converge());
  EXPECT_EQ(call<models::DomainsResponse>("/v1/domains/list", models::PingResponse()).domains_size(), 1);
  execute("DELETE FROM domains");
  execute("DELETE FROM tasks WHERE guid = 't'");
  execute("DELETE FROM desired_lrps WHERE process_guid = 'p'");
  execute("DELETE FROM actual_lrps WHERE process_guid = 'p'");
  run(active_->converge());
  EXPECT_EQ(call<models::DomainsResponse>("/v1/domains/list", models::PingResponse()).domains_size(), 0);
  EXPECT_EQ(tasks().tasks_size(), 1);
  EXPECT_TRUE(desired("p").has_error());
  EXPECT_EQ(instances("p"), 0);
  EXPECT_EQ(instances("q"), 100);
}

TEST_F(ReconcileTest, BetweenRunsTheLookAtAGreatStoreContinues) {
  config_.convergence.interval = std::chrono::hours(1);
  config_.convergence.cell_interval = std::chrono::milliseconds(20);
  start();
  execute(
      "INSERT INTO domains (domain, expire_time) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
      "WHERE i < 25000) SELECT 'domain ' || i, 9223372036854775807 FROM n");  // more than one run looks at
  restart();
  desire("p", 1);
  execute("UPDATE desired_lrps SET instances = 4");
  run(active_->converge());
  const auto deadline = std::chrono::steady_clock::now() + kTestTimeout;
  while (desired("p").desired_lrp().instances() != 4) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST_F(ReconcileTest, CallsSeeForeignWritesAtOnceWhereThatIsConfigured) {
  config_.reconcile_before_calls = true;
  start();
  desire("p", 1);
  execute(
      "INSERT INTO actual_lrps SELECT process_guid, 7, presence, evacuating, domain, state, instance_guid, cell_id, "
      "placement_error, since, net_info, 'other', modification_tag_index, crash_count, crash_reason, expire_time, "
      "internal_routes, metric_tags, routable, availability_zone FROM actual_lrps");
  EXPECT_EQ(instances("p"), 2);
  execute("UPDATE desired_lrps SET instances = 9");
  EXPECT_EQ(desired("p").desired_lrp().instances(), 9);
  execute("DELETE FROM desired_lrps");
  EXPECT_EQ(desired("p").error().type(), models::Error::ResourceNotFound);
  desire("p", 1);
  EXPECT_EQ(text("SELECT instances FROM desired_lrps"), "1");
}

TEST_F(ReconcileTest, ListsLeaveOutRowsThatCannotBeReadAndDeleteThoseThatAreLost) {
  start();
  for (const char* guid : {"good", "bad-run-info", "bad-routes", "bad-instance"}) desire(guid, 1);
  execute("UPDATE desired_lrps SET run_info = 'junk' WHERE process_guid = 'bad-run-info'");
  execute("UPDATE desired_lrps SET routes = 'junk' WHERE process_guid = 'bad-routes'");
  execute("UPDATE actual_lrps SET net_info = 'junk' WHERE process_guid = 'bad-instance'");
  restart();
  EXPECT_EQ(desired("good").desired_lrp().process_guid(), "good");
  EXPECT_EQ(desired("bad-routes").error().type(), models::Error::Deserialize);
  EXPECT_EQ(desired("bad-run-info").error().type(), models::Error::ResourceNotFound) << "it has been deleted";
  EXPECT_EQ(instances("bad-instance"), 0);
  EXPECT_EQ(text("SELECT COUNT(*) FROM desired_lrps"), "3");
  EXPECT_EQ(text("SELECT COUNT(*) FROM actual_lrps"), "3");
}

TEST_F(ReconcileTest, ATaskThatCannotBeReadSpoilsTheListUntilConvergenceDeletesIt) {
  start();
  desire_task("good");
  desire_task("bad");
  execute("UPDATE tasks SET task_definition = 'junk', domain = 'other' WHERE guid = 'bad'");
  restart();
  EXPECT_EQ(tasks().error().type(), models::Error::Deserialize);
  EXPECT_EQ(tasks("domain").tasks_size(), 1) << "it is not asked for";
  models::TaskByGuidRequest request;
  request.set_task_guid("bad");
  EXPECT_EQ(call<models::TaskResponse>("/v1/tasks/get_by_task_guid.r3", request).error().type(),
            models::Error::Deserialize);
  run(active_->converge());
  EXPECT_EQ(tasks().tasks_size(), 1);
  EXPECT_EQ(call<models::TaskResponse>("/v1/tasks/get_by_task_guid.r3", request).error().type(),
            models::Error::ResourceNotFound);
  EXPECT_EQ(text("SELECT COUNT(*) FROM tasks"), "1");
}

TEST_F(ReconcileTest, WhatNeedsAMissingKeyIsKeptWithItsInstances) {
  start();
  desire("p", 1);
  models::UpsertDomainRequest fresh;
  fresh.set_domain("domain");
  EXPECT_FALSE(call<models::UpsertDomainResponse>("/v1/domains/upsert", fresh).has_error());
  execute("UPDATE desired_lrps SET run_info = ?", {ColumnCipher({{"k9", "x"}}, "k9").seal("sealed")});
  restart();
  EXPECT_EQ(desired("p").error().type(), models::Error::Deserialize);
  run(active_->converge());
  EXPECT_EQ(text("SELECT COUNT(*) FROM desired_lrps"), "1");
  EXPECT_EQ(instances("p"), 1);
}

TEST_F(ReconcileTest, AMissingTableEndsTheProcess) {
  start();
  execute("DROP TABLE domains");
  run(active_->converge());
  EXPECT_TRUE(gave_up_);
}

TEST_F(ReconcileTest, ANewKeyIsPutToUseBesideRequests) {
  start();
  desire("p", 2);
  stop();
  client_.reset();
  config_.encryption_keys["k2"] = "another one";
  config_.active_key_label = "k2";
  start();
  desire("q", 2);
  const auto deadline = std::chrono::steady_clock::now() + kTestTimeout;
  while (text("SELECT value FROM configurations WHERE id = 'encryption_key_label'") != "k2") {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  stop();
  client_.reset();
  config_.encryption_keys.erase("k1");
  start();
  EXPECT_EQ(instances("p") + instances("q"), 4);
  EXPECT_NE(metrics_->prometheus_text().find("encryption_duration"), std::string::npos);
  EXPECT_NE(metrics_->prometheus_text().find("migration_duration"), std::string::npos);
}

}  // namespace
}  // namespace rivera::bbs
