#include "models/nouns/actual_lrp.h"

#include <gtest/gtest.h>

#include "models/forms/wire.h"
#include "models/testing/testing.h"

namespace rivera::models {
namespace {

using testing::an_actual_lrp;

constexpr std::int64_t kSecond = 1'000'000'000;

bool allowed(const ActualLRP& from, std::string_view state, std::string_view instance, std::string_view cell) {
  return transition_allowed(from, from.actual_lrp_key(), actual_lrp_instance_key(instance, cell), state);
}

TEST(Transition, OfAnUnclaimedInstanceGoesToAnyCell) {
  const auto lrp = an_actual_lrp().build();
  EXPECT_TRUE(allowed(lrp, kClaimed, "i", "c"));
  EXPECT_TRUE(allowed(lrp, kRunning, "i", "c"));
  EXPECT_FALSE(allowed(lrp, kCrashed, "", ""));
}

TEST(Transition, OfAClaimedInstanceIsRefusedToOtherClaimsButNotToOtherStarts) {
  const auto lrp = an_actual_lrp().claimed_by("c", "i").build();
  EXPECT_TRUE(allowed(lrp, kClaimed, "i", "c"));
  EXPECT_FALSE(allowed(lrp, kClaimed, "i2", "c"));
  EXPECT_TRUE(allowed(lrp, kRunning, "i2", "c2"));
  EXPECT_TRUE(allowed(lrp, kCrashed, "i", "c"));
  EXPECT_FALSE(allowed(lrp, kCrashed, "i", "c2"));
}

TEST(Transition, OfARunningInstanceIsItsCellsAlone) {
  const auto lrp = an_actual_lrp().running_on("c", "i").build();
  EXPECT_TRUE(allowed(lrp, kClaimed, "i", "c"));
  EXPECT_TRUE(allowed(lrp, kRunning, "i", "c"));
  EXPECT_FALSE(allowed(lrp, kRunning, "i", "c2"));
  EXPECT_FALSE(allowed(lrp, kClaimed, "i2", "c"));
}

TEST(Transition, OfACrashedInstanceIsNoCells) {
  const auto lrp = an_actual_lrp().crashed(3).build();
  EXPECT_FALSE(allowed(lrp, kClaimed, "i", "c"));
  EXPECT_FALSE(allowed(lrp, kRunning, "i", "c"));
  EXPECT_FALSE(allowed(lrp, kCrashed, "", ""));
}

TEST(Transition, NeedsTheSameKeyDomainIncluded) {
  const auto lrp = an_actual_lrp("g", 0).build();
  EXPECT_FALSE(transition_allowed(lrp, actual_lrp_key("g", 0, "other"), actual_lrp_instance_key("i", "c"), kClaimed));
}

TEST(CrashRule, RestartsTheCountAfterFiveMinutesOfRunning) {
  auto lrp = an_actual_lrp().running_on("c", "i").since(0).build();
  lrp.set_crash_count(7);
  EXPECT_EQ(crash_count_after(lrp, 300 * kSecond), 8);
  EXPECT_EQ(crash_count_after(lrp, 300 * kSecond + 1), 1);
  lrp.set_state(std::string(kClaimed));
  EXPECT_EQ(crash_count_after(lrp, 900 * kSecond), 8);
}

TEST(RestartPolicy, WaitsAsTheTableSays) {
  const std::map<int, int> seconds_by_count = {{1, 0},   {2, 0},   {3, 30},  {4, 60},   {5, 120},
                                               {6, 240}, {7, 480}, {8, 960}, {199, 960}};
  for (const auto& [count, seconds] : seconds_by_count) {
    EXPECT_EQ(restart_delay(count), std::chrono::seconds(seconds)) << count;
    EXPECT_TRUE(restart_due(count, 5, 5 + seconds * kSecond)) << count;
    if (seconds > 0) {
      EXPECT_FALSE(restart_due(count, 5, 4 + seconds * kSecond)) << count;
    }
  }
  EXPECT_FALSE(restart_due(200, 0, 1'000'000 * kSecond));
}

TEST(Fold, LetsASuspectWinUnlessTheOrdinaryOneRuns) {
  const auto suspect = an_actual_lrp().running_on("c1", "i1").with_presence(ActualLRP::SUSPECT).build();
  const auto claimed = an_actual_lrp().claimed_by("c2", "i2").build();
  const auto running = an_actual_lrp().running_on("c2", "i2").build();
  EXPECT_TRUE(fold({&suspect, &claimed}).instance() == suspect);
  EXPECT_TRUE(fold({&claimed, &suspect}).instance() == suspect);
  EXPECT_TRUE(fold({&suspect, &running}).instance() == running);
  EXPECT_TRUE(fold({&running, &suspect}).instance() == running);
}

TEST(Fold, KeepsAnEvacuatingOneBeside) {
  const auto evacuating = an_actual_lrp().running_on("c1", "i1").with_presence(ActualLRP::EVACUATING).build();
  const auto unclaimed = an_actual_lrp().build();
  const auto group = fold({&unclaimed, &evacuating});
  EXPECT_TRUE(group.instance() == unclaimed);
  EXPECT_TRUE(group.evacuating() == evacuating);
  EXPECT_FALSE(fold({&evacuating}).has_instance());
}

TEST(Resolve, PrefersTheEvacuatingOneUntilTheOtherRunsOrHasCrashed) {
  const auto evacuating = an_actual_lrp().running_on("c1", "i1").with_presence(ActualLRP::EVACUATING).build();
  ActualLRPGroup group;
  EXPECT_EQ(resolve(group), nullptr);
  *group.mutable_evacuating() = evacuating;
  bool is_evacuating = false;
  EXPECT_EQ(resolve(group, &is_evacuating), &group.evacuating());
  EXPECT_TRUE(is_evacuating);
  *group.mutable_instance() = an_actual_lrp().claimed_by("c2", "i2");
  EXPECT_EQ(resolve(group), &group.evacuating());
  *group.mutable_instance() = an_actual_lrp().crashed(3);
  EXPECT_EQ(resolve(group, &is_evacuating), &group.instance());
  EXPECT_FALSE(is_evacuating);
  group.clear_evacuating();
  *group.mutable_instance() = an_actual_lrp();
  EXPECT_EQ(resolve(group), &group.instance());
}

TEST(Info, HoldsEverythingButKeysRoutesAndTags) {
  const auto lrp = an_actual_lrp("g", 1).running_on("c", "i").build();
  EXPECT_TRUE(with_info(lrp.actual_lrp_key(), lrp.actual_lrp_instance_key(), info_of(lrp)) == lrp);
}

TEST(Equality, LooksAtEveryField) {
  const auto lrp = an_actual_lrp().running_on("c", "i").build();
  const auto* type = ActualLRP::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    ActualLRP other;
    other.CopyFrom(lrp);
    if (!field->is_repeated() && other.GetReflection()->HasField(other, field)) {
      other.GetReflection()->ClearField(&other, field);
    } else if (field->name() == "metric_tags") {
      (*other.mutable_metric_tags())["a"] = "b";
    } else if (field->is_repeated()) {
      other.add_actual_lrp_internal_routes()->set_hostname("h");
    } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
      other.GetReflection()->SetString(&other, field, "x");
    } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_ENUM) {
      other.GetReflection()->SetEnumValue(&other, field, 2);
    } else {
      other.set_crash_count(1);
    }
    EXPECT_FALSE(other == lrp) << field->name();
  }
  EXPECT_TRUE(ActualLRP(lrp) == lrp);
}

TEST(EvaluatedTags, AreStaticOrTheInstances) {
  google::protobuf::Map<std::string, MetricTagValue> tags;
  tags["app"].set_static_("x");
  tags["index"].set_dynamic(MetricTagValue::INDEX);
  tags["instance"].set_dynamic(MetricTagValue::INSTANCE_GUID);
  tags["unknown"].set_dynamic(static_cast<MetricTagValue::DynamicValue>(9));
  const std::map<std::string, std::string> expected = {{"app", "x"}, {"index", "4"}, {"instance", "guid"}};
  EXPECT_EQ(evaluated_tags(tags, 4, "guid"), expected);
}

TEST(StoredText, IsCutAtACharacterBoundary) {
  EXPECT_EQ(truncated_for_storage(std::string(1023, 'a')), std::string(1023, 'a'));
  EXPECT_EQ(truncated_for_storage(std::string(1024, 'a')), std::string(1013, 'a') + "(truncated)");
  std::string text = std::string(1012, 'a') + "€" + std::string(100, 'b');
  const auto cut = truncated_for_storage(text);
  EXPECT_EQ(cut, std::string(1012, 'a') + "(truncated)");
  EXPECT_TRUE(is_valid_utf8(cut));
}

TEST(ModificationTag, IsNewerInAnotherEpochOrWithAHigherIndex) {
  auto tag = [](const char* epoch, std::uint32_t index) {
    ModificationTag result;
    result.set_epoch(epoch);
    result.set_index(index);
    return result;
  };
  EXPECT_TRUE(is_newer(tag("a", 2), tag("a", 1)));
  EXPECT_FALSE(is_newer(tag("a", 1), tag("a", 1)));
  EXPECT_TRUE(is_newer(tag("b", 0), tag("a", 9)));
}

}  // namespace
}  // namespace rivera::models
