#include "models/forms/wire_fields.h"

#include <map>

#include <gtest/gtest.h>

#include "models/forms/wire.h"
#include "models/testing/testing.h"

namespace rivera::models {
namespace {

ActualLRP an_instance_with_tags() {
  ActualLRP lrp = testing::an_actual_lrp("p", 3).running_on("cell", "instance");
  lrp.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
  lrp.mutable_actual_lrp_net_info()->add_ports()->set_host_port(61001);
  (*lrp.mutable_metric_tags())["source_id"] = "p";
  (*lrp.mutable_metric_tags())["empty"] = "";
  return lrp;
}

TEST(WireFields, AreFoundBetweenOthers) {
  const ActualLRP lrp = an_instance_with_tags();
  const std::string bytes = encode(lrp);
  EXPECT_EQ(first_field(bytes, ActualLRP::kActualLrpNetInfoFieldNumber), encode(lrp.actual_lrp_net_info()));
  EXPECT_EQ(first_field(bytes, ActualLRP::kStateFieldNumber), "RUNNING");
}

TEST(WireFields, AreVisitedOneAfterTheOther) {
  const std::string bytes = encode(an_instance_with_tags());
  std::map<std::string_view, std::string_view> tags;
  std::string_view rest = bytes;
  while (const auto entry = next_field(rest, ActualLRP::kMetricTagsFieldNumber)) {
    tags[first_field(*entry, 1)] = first_field(*entry, 2);
  }
  EXPECT_EQ(tags, (std::map<std::string_view, std::string_view>{{"source_id", "p"}, {"empty", ""}}));
}

TEST(WireFields, AreAbsentWhereTheBytesEndOrAreMalformed) {
  const std::string bytes = encode(an_instance_with_tags());
  EXPECT_EQ(first_field(bytes, ActualLRP::kPlacementErrorFieldNumber), "");
  EXPECT_EQ(first_field("", 1), "");
  EXPECT_EQ(first_field("\xff\xff\xff", 1), "");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string_view rest = std::string_view(bytes).substr(0, size);
    while (next_field(rest, ActualLRP::kMetricTagsFieldNumber)) continue;
    EXPECT_TRUE(rest.empty());
  }
}

}  // namespace
}  // namespace rivera::models
