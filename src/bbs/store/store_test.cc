#include "bbs/store/store.h"

#include <fstream>
#include <map>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/files.h"
#include "bbs/rows/column_codec.h"
#include "bbs/rows/schema.h"
#include "bbs/store/store_testing.h"
#include "models/forms/json.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;

using store_testing::a_full_desired_lrp;
using store_testing::kKeys;

TEST(ColumnCipher, OpensWhatUpstreamSealed) {
  EXPECT_EQ(ColumnCipher(kKeys, "k2").open("02Amsx86RjbzAV8kpSWdwOr7RJB1yJsCTvVDawSSkfB9ZIZEU="), "null");
}

TEST(ColumnCipher, SealsWithTheActiveKeyAndANonceOfItsOwn) {
  const ColumnCipher cipher(kKeys, "k1");
  const std::string sealed = cipher.seal("plain");
  EXPECT_EQ(sealed.substr(0, 2), "02");
  EXPECT_EQ(base::from_base64(sealed.substr(2)).substr(0, 3), "\x02k1");
  EXPECT_NE(sealed, cipher.seal("plain"));
  EXPECT_EQ(ColumnCipher(kKeys, "k2").open(sealed), "plain");
  EXPECT_EQ(cipher.open(cipher.seal("")), "");
}

TEST(ColumnCipher, RefusesWhatItCannotOpen) {
  const ColumnCipher cipher({{"k3", "x"}}, "k3");
  EXPECT_THROW(cipher.open("02Amsx86RjbzAV8kpSWdwOr7RJB1yJsCTvVDawSSkfB9ZIZEU="), UndecodableColumn) << "unknown key";
  EXPECT_THROW(cipher.open("01" + cipher.seal("x").substr(2)), UndecodableColumn) << "unknown format";
  EXPECT_THROW(cipher.open("02!!!!"), UndecodableColumn);
  EXPECT_THROW(cipher.open("02"), UndecodableColumn);
  std::string damaged = base::from_base64(cipher.seal("plain").substr(2));
  damaged.back() ^= 1;
  EXPECT_THROW(cipher.open("02" + base::to_base64(damaged)), UndecodableColumn) << "damaged";
  EXPECT_THROW(ColumnCipher(kKeys, "k9"), std::invalid_argument);
}

TEST(ColumnCodec, KeepsRouteEntriesByteForByte) {
  models::DesiredLRP lrp;
  auto& routes = *lrp.mutable_routes()->mutable_routes();
  routes["b"] = R"({"x":[1.50,"}\",{"],"y":null})";
  routes["a\"quoted"] = "3";
  routes["c"] = "[]";
  const std::string column = routes_column(lrp);
  EXPECT_EQ(column, R"({"a\"quoted":3,"b":{"x":[1.50,"}\",{"],"y":null},"c":[]})");
  const auto read = read_routes_column(column);
  EXPECT_EQ(read.routes().at("b"), routes["b"]);
  EXPECT_EQ(read.routes().at("a\"quoted"), "3");
  EXPECT_EQ(read.routes_size(), 3);
  EXPECT_EQ(read_routes_column("null").routes_size(), 0);
  EXPECT_EQ(read_routes_column(" { \"a\" : [ 1 ] } ").routes().at("a"), "[ 1 ]");
  EXPECT_THROW(read_routes_column("{"), UndecodableColumn);
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    sql::DatabaseConfig config;
    config.connection_string = (directory_.path() / "bbs.db").string();
    database_ = sql::Database::open(config);
    store_ = std::make_unique<Store>(*database_, cipher_);
    store_->open();
  }

  Records loaded() { return store_testing::loaded(*store_); }

  base::TemporaryDirectory directory_;
  const ColumnCipher cipher_{kKeys, "k1"};
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, GivesBackWhatWasWritten) {
  store_->become_active();
  const DesiredLRPPtr desired = make_desired_lrp(a_full_desired_lrp(), 17);
  models::ActualLRP running = models::testing::an_actual_lrp("p", 1).running_on("cell", "i").since(5);
  running.add_actual_lrp_internal_routes()->set_hostname("a.internal");
  (*running.mutable_metric_tags())["k"] = "v";
  running.set_availability_zone("z1");
  running.set_routable(true);
  const ActualLRPPtr actual = make_actual_lrp(running);
  running.set_presence(models::ActualLRP::EVACUATING);
  const ActualLRPPtr evacuating = make_actual_lrp(running);
  models::ActualLRP crashed = models::testing::an_actual_lrp("p", 0).crashed(7, "it's \"bad\"");
  crashed.set_routable(false);
  const ActualLRPPtr plain = make_actual_lrp(crashed);
  const TaskPtr task = make_task(models::testing::a_task("t"));
  const DomainPtr domain = make_domain("d", 99);
  store_->write({Swap<DesiredLRPRecord>{nullptr, desired}, Swap<ActualLRPRecord>{nullptr, actual},
                 Swap<ActualLRPRecord>{nullptr, evacuating}, Swap<ActualLRPRecord>{nullptr, plain},
                 Swap<TaskRecord>{nullptr, task}, Swap<DomainRecord>{nullptr, domain}});

  const Records records = loaded();
  ASSERT_TRUE(records.desired_lrp("p"));
  EXPECT_EQ(records.desired_lrp("p")->whole().DebugString(), desired->whole().DebugString());
  EXPECT_EQ(records.desired_lrp("p")->created_at, 17);
  EXPECT_EQ(records.lrps("p", 1).ordinary()->wire, actual->wire);
  EXPECT_EQ(records.lrps("p", 1).evacuating()->wire, evacuating->wire);
  EXPECT_EQ(records.lrps("p", 0).ordinary()->wire, plain->wire);
  EXPECT_EQ(records.task("t")->task.DebugString(), task->task.DebugString());
  EXPECT_EQ(records.domain("d")->expires_at, 99);
  EXPECT_EQ(records.lrps_on_cell("cell").size(), 2u);
}

TEST_F(StoreTest, OfSeveralChangesOfARecordTheLastOneCounts) {
  store_->become_active();
  const TaskPtr first = make_task(models::testing::a_task("t"));
  models::Task changed = first->task;
  changed.set_result("second");
  const TaskPtr second = make_task(changed);
  store_->write({Swap<TaskRecord>{nullptr, first}, Swap<TaskRecord>{first, second}});
  EXPECT_EQ(loaded().task("t")->task.result(), "second");
  store_->write({Swap<TaskRecord>{second, first}, Swap<TaskRecord>{first, nullptr}});
  EXPECT_TRUE(loaded().tasks().empty());
}

TEST_F(StoreTest, SealsDefinitions) {
  store_->become_active();
  store_->write({Swap<DesiredLRPRecord>{nullptr, make_desired_lrp(a_full_desired_lrp(), 17)}});
  auto connection = database_->connect();
  connection.query("SELECT run_info, routes, volume_placement, metric_tags, placement_tags FROM desired_lrps", {},
                   [](const sql::Row& row) {
                     for (int column = 0; column < 4; ++column) EXPECT_EQ(row.text(column).substr(0, 2), "02");
                     EXPECT_EQ(row.text(4), R"(["iso"])");
                   });
}

TEST_F(StoreTest, AnEarlierTermCanNotWriteAnyMore) {
  store_->become_active();
  Store second(*database_, cipher_);
  second.become_active();
  EXPECT_THROW(store_->write({Swap<DomainRecord>{nullptr, make_domain("d", 1)}}), TermEnded);
  EXPECT_TRUE(loaded().domains().empty());
  second.write({Swap<DomainRecord>{nullptr, make_domain("d", 1)}});
  EXPECT_EQ(loaded().domains().size(), 1u);
}

TEST_F(StoreTest, ADatabaseOfALaterVersionOrAnUnknownKeyIsRefused) {
  store_->become_active();
  sql::Connection connection = database_->connect();
  set_configuration(connection, kLabelKey, "k1");
  const ColumnCipher unknown({{"k9", "x"}}, "k9");
  EXPECT_THROW(Store(*database_, unknown).become_active(), UnusableDatabase);
  database_->connect().execute(
      "UPDATE configurations SET value = '{\"CurrentVersion\":9999999999}' WHERE id = 'version'");
  EXPECT_THROW(store_->become_active(), UnusableDatabase);
}

TEST_F(StoreTest, LeavesOutRowsThatCannotBeRead) {
  store_->become_active();
  store_->write({Swap<TaskRecord>{nullptr, make_task(models::testing::a_task("good"))},
                 Swap<TaskRecord>{nullptr, make_task(models::testing::a_task("bad"))}});
  database_->connect().execute("UPDATE tasks SET task_definition = 'junk' WHERE guid = 'bad'");
  const Store::LoadResult result = store_->load();
  EXPECT_EQ(result.unreadable.size(), 1u);
  EXPECT_EQ(result.records.size(), 1u);
}

// True if every member that upstream printed is in ours; ours may have more.
void expect_holds(const json::value& ours, const json::value& recorded, const std::string& where) {
  if (recorded.is_array() && ours.is_array() && recorded.get_array().size() == ours.get_array().size()) {
    for (std::size_t i = 0; i < recorded.get_array().size(); ++i) {
      expect_holds(ours.get_array()[i], recorded.get_array()[i], where);
    }
    return;
  }
  if (!recorded.is_object() || !ours.is_object()) {
    EXPECT_EQ(json::serialize(ours), json::serialize(recorded)) << where;
    return;
  }
  for (const auto& [key, value] : recorded.get_object()) {
    const json::value* own = ours.get_object().if_contains(key);
    ASSERT_TRUE(own) << where << "." << std::string(key);
    expect_holds(*own, value, where + "." + std::string(key));
  }
}

TEST_F(StoreTest, ReadsTheRowsThatUpstreamWrote) {
  store_->become_active();
  sql::Connection connection = database_->connect();
  store_testing::insert_golden_rows(connection);

  const Records records = loaded();
  std::ifstream printed(store_testing::golden("upstream-bbs-cfdot.jsonl"));
  std::size_t compared = 0;
  for (std::string line; std::getline(printed, line); ++compared) {
    const json::object entry = json::parse(line).as_object();
    const std::string kind(entry.at("cfdot").as_string());
    const json::value& recorded = entry.at("line");
    if (kind == "actual-lrps") {
      const auto set = records.lrps(std::string(recorded.at("process_guid").as_string()),
                                    static_cast<std::int32_t>(recorded.at("index").as_int64()));
      ASSERT_TRUE(set.ordinary());
      expect_holds(models::to_json(set.ordinary()->whole()), recorded, kind);
    } else if (kind == "tasks") {
      expect_holds(models::to_json(records.task(std::string(recorded.at("task_guid").as_string()))->task), recorded,
                   kind);
    } else if (kind == "domains") {
      EXPECT_TRUE(records.domain(std::string(recorded.as_string())));
    } else if (kind == "desired-lrps") {
      json::value expected = recorded;
      expected.as_object().erase("metric_tags");   // has its own column in this version (docs/spec/bbs.md §6.3)
      expected.as_object().erase("metrics_guid");  // derived from them
      const auto desired = records.desired_lrp(std::string(recorded.at("process_guid").as_string()));
      ASSERT_TRUE(desired);
      expect_holds(models::to_json(desired->whole()), expected, kind);
    } else {
      const auto desired = records.desired_lrp(std::string(recorded.at("process_guid").as_string()));
      models::DesiredLRPSchedulingInfo info;
      ASSERT_TRUE(info.ParseFromString(desired->scheduling_info));
      expect_holds(models::to_json(info), recorded, kind);
    }
  }
  EXPECT_EQ(compared, 26u);
}

}  // namespace
}  // namespace rivera::bbs
