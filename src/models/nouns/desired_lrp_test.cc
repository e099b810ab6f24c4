#include "models/nouns/desired_lrp.h"

#include <gtest/gtest.h>

#include "models/errors.h"
#include "models/forms/json.h"
#include "models/nouns/actions.h"
#include "models/nouns/task.h"
#include "models/testing/testing.h"

namespace rivera::models {
namespace {

using testing::a_desired_lrp;
using testing::a_download_action;
using testing::a_run_action;

ImageLayer a_layer(ImageLayer::Type type, bool with_digest = true) {
  ImageLayer layer;
  layer.set_name("layer");
  layer.set_url("http://layers/l.tgz");
  layer.set_destination_path("/l");
  layer.set_layer_type(type);
  layer.set_media_type(ImageLayer::TGZ);
  if (with_digest) {
    layer.set_digest_algorithm(ImageLayer::SHA256);
    layer.set_digest_value("abc");
  }
  return layer;
}

TEST(SchedulingInfo, HasADriverForEachMountAndIsPresentWithoutMounts) {
  EXPECT_TRUE(scheduling_info_of(a_desired_lrp()).has_volume_placement());
  const auto info = scheduling_info_of(a_desired_lrp().with_volume_driver("d").with_volume_driver("d"));
  EXPECT_EQ(info.volume_placement().driver_names_size(), 2);
}

TEST(RunInfo, AndSchedulingInfoTogetherGiveTheRecordBack) {
  DesiredLRP lrp =
      a_desired_lrp().with_route("r", "{}").with_port(8080).with_setup(a_download_action()).with_tag("e", 2);
  auto restored = desired_lrp_of(scheduling_info_of(lrp), run_info_of(lrp, 5));
  *restored.mutable_metric_tags() = lrp.metric_tags();
  EXPECT_EQ(to_json_text(restored), to_json_text(lrp));
  EXPECT_TRUE(run_info_of(lrp, 5).metric_tags().empty());
  EXPECT_EQ(run_info_of(lrp, 5).created_at(), 5);
}

TEST(RoutingInfo, HasRoutesAndTagEvenIfThereAreNone) {
  const auto info = routing_info_of(a_desired_lrp());
  EXPECT_TRUE(info.has_routes());
  EXPECT_TRUE(info.has_modification_tag());
  EXPECT_FALSE(info.has_action());
}

TEST(AsStored, CompactsRoutesDropsDuplicatePortsAndStartsAnEpoch) {
  DesiredLRP request = a_desired_lrp().with_route("r", " [ 1, \"a <b\" ] ").with_port(2).with_port(1).with_port(2);
  request.set_deprecated_start_timeout_s(5);
  request.mutable_modification_tag()->set_index(9);
  const auto stored = as_stored(request, "epoch");
  EXPECT_EQ(stored.routes().routes().at("r"), R"([1,"a \u003cb"])");
  EXPECT_EQ(stored.ports_size(), 2);
  EXPECT_EQ(stored.modification_tag().epoch(), "epoch");
  EXPECT_EQ(stored.modification_tag().index(), 0U);
  EXPECT_EQ(stored.deprecated_start_timeout_s(), 0U);
}

TEST(AsStored, RefusesARouteThatIsNoJson) {
  try {
    as_stored(a_desired_lrp().with_route("r", "{"), "e");
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_EQ(error.type(), Error::InvalidRequest);
    EXPECT_EQ(error.message(), "the request received is invalid");
  }
}

TEST(Update, ChangesWhatIsGivenAndAlwaysCounts) {
  DesiredLRP lrp = a_desired_lrp().with_instances(2).with_route("r", "1").with_tag("e", 4);
  apply_update(lrp, DesiredLRPUpdate());
  EXPECT_EQ(lrp.instances(), 2);
  EXPECT_EQ(lrp.routes().routes_size(), 1);
  EXPECT_EQ(lrp.modification_tag().index(), 5U);

  DesiredLRPUpdate update;
  update.set_instances(0);
  update.set_annotation("");
  update.mutable_routes();
  lrp.set_annotation("old");
  apply_update(lrp, update);
  EXPECT_EQ(lrp.instances(), 0);
  EXPECT_EQ(lrp.annotation(), "");
  EXPECT_EQ(lrp.routes().routes_size(), 0);
  EXPECT_FALSE(lrp.metric_tags().empty());
  EXPECT_EQ(lrp.modification_tag().index(), 6U);
}

TEST(Update, ThatIsRefusedChangesNothing) {
  DesiredLRP lrp = a_desired_lrp().with_tag("e", 4);
  DesiredLRPUpdate update;
  update.set_instances(7);
  (*update.mutable_routes()->mutable_routes())["r"] = "no json";
  EXPECT_THROW(apply_update(lrp, update), ModelError);
  EXPECT_EQ(lrp.instances(), 1);
  EXPECT_EQ(lrp.modification_tag().index(), 4U);
}

TEST(MetricsGuid, AndSourceIdCompleteEachOther) {
  DesiredLRP lrp = a_desired_lrp("g");
  derive_metrics_guid(lrp);
  EXPECT_EQ(lrp.metrics_guid(), "g");
  lrp.clear_metric_tags();
  derive_metrics_guid(lrp);
  EXPECT_EQ(lrp.metric_tags().at("source_id").static_(), "g");
}

TEST(DownConversion, LeavesV3Alone) {
  DesiredLRP lrp = a_desired_lrp();
  *lrp.add_image_layers() = a_layer(ImageLayer::SHARED);
  down_convert(lrp, DefinitionVersion::kV3);
  EXPECT_EQ(lrp.image_layers_size(), 1);
}

TEST(DownConversion, TurnsSharedLayersIntoCachedDependenciesBeforeTheOthers) {
  DesiredLRP lrp = a_desired_lrp();
  lrp.add_cached_dependencies()->set_name("own");
  *lrp.add_image_layers() = a_layer(ImageLayer::SHARED);
  *lrp.add_image_layers() = a_layer(ImageLayer::SHARED, false);
  down_convert(lrp, DefinitionVersion::kV2);
  ASSERT_EQ(lrp.cached_dependencies_size(), 3);
  EXPECT_EQ(lrp.cached_dependencies(0).cache_key(), "sha256:abc");
  EXPECT_EQ(lrp.cached_dependencies(0).checksum_algorithm(), "sha256");
  EXPECT_EQ(lrp.cached_dependencies(1).cache_key(), "http://layers/l.tgz");
  EXPECT_EQ(lrp.cached_dependencies(2).name(), "own");
  EXPECT_EQ(lrp.image_layers_size(), 0);
  EXPECT_FALSE(lrp.has_setup());
}

TEST(DownConversion, RunsDownloadsOfExclusiveLayersBeforeSetup) {
  DesiredLRP lrp = a_desired_lrp();
  lrp.set_legacy_download_user("vcap");
  *lrp.add_image_layers() = a_layer(ImageLayer::EXCLUSIVE);
  auto with_setup = lrp;
  *with_setup.mutable_setup() = a_run_action("/setup");

  down_convert(lrp, DefinitionVersion::kV2);
  ASSERT_EQ(kind_of(lrp.setup()), ActionKind::kParallel);
  const auto& download = lrp.setup().parallel_action().actions(0).download_action();
  EXPECT_EQ(download.user(), "vcap");
  EXPECT_EQ(download.cache_key(), "sha256:abc");

  down_convert(with_setup, DefinitionVersion::kV2);
  const auto& steps = with_setup.setup().serial_action().actions();
  ASSERT_EQ(steps.size(), 2);
  EXPECT_EQ(kind_of(steps[0]), ActionKind::kParallel);
  EXPECT_EQ(steps[1].run_action().path(), "/setup");
}

TEST(DownConversion, ToV0DownloadsCachedDependenciesInSetup) {
  DesiredLRP lrp = a_desired_lrp();
  lrp.set_start_timeout_ms(2900);
  auto& dependency = *lrp.add_cached_dependencies();
  dependency.set_name("dep");
  dependency.set_checksum_value("x");
  TimeoutAction timeout;
  *timeout.mutable_action() = a_run_action();
  timeout.set_timeout_ms(3);
  TryAction wrapper;
  *wrapper.mutable_action() = wrap(timeout);
  *lrp.mutable_action() = wrap(wrapper);
  down_convert(lrp, DefinitionVersion::kV0);
  EXPECT_EQ(lrp.deprecated_start_timeout_s(), 2U);
  EXPECT_EQ(lrp.cached_dependencies_size(), 0);
  const auto& download = lrp.setup().serial_action().actions(0).parallel_action().actions(0).download_action();
  EXPECT_EQ(download.artifact(), "dep");
  EXPECT_EQ(download.checksum_value(), "");
  EXPECT_EQ(lrp.action().timeout_action().deprecated_timeout_ns(), 3'000'000);
}

TEST(DownConversion, OfATaskPutsDownloadsBeforeItsAction) {
  Task task = testing::a_task();
  *task.mutable_task_definition()->add_image_layers() = a_layer(ImageLayer::EXCLUSIVE);
  down_convert(task, DefinitionVersion::kV0);
  EXPECT_EQ(task.task_definition().action().serial_action().actions_size(), 2);
  EXPECT_EQ(task.task_definition().image_layers_size(), 0);
}

TEST(InternalRoutes, AreTheHostNamesOfTheirEntry) {
  const auto lrp = a_desired_lrp().with_route("internal-router", R"([{"hostname":"a.internal"},{"hostname":"b"}])");
  EXPECT_EQ(internal_routes(lrp), (std::vector<std::string>{"a.internal", "b"}));
  EXPECT_TRUE(internal_routes(a_desired_lrp()).empty());
  EXPECT_TRUE(internal_routes(a_desired_lrp().with_route("internal-router", R"({"hostname":"a"})")).empty());
}

TEST(InternalRoutes, DifferIfTheirEntriesDo) {
  const auto none = a_desired_lrp().build().routes();
  const auto empty = a_desired_lrp().with_route("internal-router", "[]").build().routes();
  const auto one = a_desired_lrp().with_route("internal-router", R"([{"hostname":"a"}])").build().routes();
  EXPECT_FALSE(internal_routes_differ(none, none));
  EXPECT_FALSE(internal_routes_differ(one, one));
  EXPECT_TRUE(internal_routes_differ(one, none));
  EXPECT_TRUE(internal_routes_differ(none, empty));
  EXPECT_TRUE(internal_routes_differ(one, empty));
}

TEST(CompactedJson, KeepsNumbersAndTextsAsTheyAre) {
  EXPECT_EQ(compacted_json("{ \"a b\" : [ 1.50 , 1e3, \"x \\\" y\" ] }"), R"({"a b":[1.50,1e3,"x \" y"]})");
  EXPECT_EQ(compacted_json(" null "), "null");
  EXPECT_EQ(compacted_json(""), std::nullopt);
  EXPECT_EQ(compacted_json("[1] 2"), std::nullopt);
}

}  // namespace
}  // namespace rivera::models
