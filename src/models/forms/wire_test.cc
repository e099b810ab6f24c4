#include "models/forms/wire.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "models/errors.h"
#include "models/testing/testing.h"

namespace rivera::models {
namespace {

using testing::a_desired_lrp;
using testing::an_actual_lrp;

TEST(Wire, WritesAlwaysEmittedSubmessagesEvenWhenEmpty) {
  EXPECT_EQ(base::to_hex(encode(ActualLRP())), "0a0012001a004a00");
  EXPECT_EQ(base::to_hex(encode(DesiredLRPSchedulingInfo())), "0a0022002a003200");
  EXPECT_EQ(base::to_hex(encode(ActualLRPCrashedEvent())), "0a001200");
}

TEST(Wire, WritesThemInsideOtherMessages) {
  ActualLRPInstanceChangedEvent event;
  event.mutable_after();
  EXPECT_EQ(base::to_hex(encode(event)), "0a00120022041a004a00");
}

TEST(Wire, LeavesAConstantMessageAlone) {
  const ActualLRPsResponse response = [] {
    ActualLRPsResponse r;
    r.add_actual_lrps();
    return r;
  }();
  EXPECT_EQ(base::to_hex(encode(response)), "12080a0012001a004a00");
  EXPECT_FALSE(response.actual_lrps(0).has_actual_lrp_key());
}

TEST(Wire, WritesATaskWithoutDefinitionWithoutIt) {
  Task task;
  task.set_task_guid("t");
  EXPECT_EQ(base::to_hex(encode(task)), "120174");
}

TEST(Wire, FillsHotMessagesAsTheGeneralWayDoes) {
  ActualLRP lrp;
  fill_always_emitted(lrp);
  EXPECT_EQ(lrp.SerializeAsString(), encode(ActualLRP()));
  ActualLRPInfo info;
  fill_always_emitted(info);
  EXPECT_EQ(info.SerializeAsString(), encode(ActualLRPInfo()));
  DesiredLRPSchedulingInfo scheduling;
  fill_always_emitted(scheduling);
  EXPECT_EQ(scheduling.SerializeAsString(), encode(DesiredLRPSchedulingInfo()));
}

TEST(Wire, WritesPortsUnpackedAndReadsBothForms) {
  DesiredLRP lrp;
  lrp.add_ports(1);
  lrp.add_ports(2);
  EXPECT_EQ(base::to_hex(encode(lrp)), "70017002");
  DesiredLRP packed;
  ASSERT_TRUE(decode(base::from_hex("72020102"), packed));
  EXPECT_EQ(packed.ports_size(), 2);
}

TEST(Wire, WritesOptionalFieldsThatHoldADefault) {
  DesiredLRPUpdate update;
  update.set_instances(0);
  EXPECT_EQ(base::to_hex(encode(update)), "0800");
}

TEST(Wire, ReplacesTextThatIsNotUtf8) {
  Task task;
  task.set_task_guid("t");
  const std::string bytes = task.SerializeAsString() + "\x4a\x04" + "a\xff\xc3z";  // field 9, result
  Task read;
  ASSERT_TRUE(decode(bytes, read));
  EXPECT_EQ(read.task_guid(), "t");
  EXPECT_EQ(read.result(), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST(Wire, ReplacesItInNestedMessagesAndMapsButNotInBytes) {
  DesireLRPRequest request;
  *request.mutable_desired_lrp() = a_desired_lrp().with_route("router", "\xff");
  auto bytes = request.SerializeAsString();
  const auto path = bytes.find("/bin/true");
  ASSERT_NE(path, std::string::npos);
  bytes[path] = '\xff';
  const auto tag = bytes.rfind("process-guid");
  ASSERT_NE(tag, std::string::npos);
  bytes[tag] = '\xfe';

  DesireLRPRequest read;
  ASSERT_TRUE(decode(bytes, read));
  EXPECT_EQ(read.desired_lrp().action().run_action().path(),
            "\xEF\xBF\xBD"
            "bin/true");
  EXPECT_EQ(read.desired_lrp().routes().routes().at("router"), "\xff");
  EXPECT_EQ(read.desired_lrp().metric_tags().at("source_id").static_(), "\xEF\xBF\xBDrocess-guid");
}

TEST(Wire, RefusesMalformedBytes) {
  Task task;
  EXPECT_FALSE(decode("\xff\xff\xff", task));
  EXPECT_FALSE(decode("not proto", task));
  EXPECT_FALSE(decode(std::string("\x4a\x05"
                                  "ab",
                                  4),
                      task));
}

TEST(Wire, RefusesNestingWithoutEnd) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) {
    std::string outer;
    append_field(outer, i % 2 == 0 ? 1 : 6, bytes);  // TryAction in Action in TryAction ...
    bytes = std::move(outer);
  }
  Action action;
  EXPECT_FALSE(decode(bytes, action));
}

TEST(Wire, DropsUnknownFields) {
  PingResponse ping;
  ASSERT_TRUE(decode(base::from_hex("0801a00601"), ping));
  EXPECT_EQ(base::to_hex(encode(ping)), "0801");
}

TEST(Wire, AnswersAnUndecodableRequestWithItsFixedText) {
  try {
    decode_request<DesireTaskRequest>("\xff\xff\xff");
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_EQ(error.type(), Error::InvalidRequest);
    EXPECT_EQ(error.message(), "the request received is invalid");
  }
}

TEST(Wire, TakesAnEmptyBodyForADefaultMessage) {
  EXPECT_TRUE(decode_request<ActualLRPsRequest>("").process_guid().empty());
}

TEST(Wire, BuildsAListFromEncodedRecords) {
  const auto lrp = an_actual_lrp().running_on("cell", "instance").build();
  std::string bytes;
  append_field(bytes, ActualLRPsResponse::kActualLrpsFieldNumber, encode(lrp));
  append_field(bytes, ActualLRPsResponse::kActualLrpsFieldNumber, encode(lrp));
  ActualLRPsResponse expected;
  *expected.add_actual_lrps() = lrp;
  *expected.add_actual_lrps() = lrp;
  EXPECT_EQ(bytes, encode(expected));
}

TEST(Utf8, AcceptsWellFormedAndReplacesIllFormedSequences) {
  EXPECT_TRUE(is_valid_utf8("aä€𝄞"));
  for (const std::string bad :
       {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x80\x80\x80"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
    EXPECT_TRUE(is_valid_utf8(valid_utf8("x" + bad + "y")));
  }
  EXPECT_EQ(valid_utf8("aä€𝄞"), "aä€𝄞");
}

}  // namespace
}  // namespace rivera::models
