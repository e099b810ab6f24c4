// What is kept of a container.
#include "garden/container/container.h"

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

namespace api = clients::garden;

TEST(ContainerRecord, IsReadAsItWasWritten) {
  ContainerRecord record;
  record.handle = "h";
  record.properties = {{"k", "v\"\n"}};
  record.env = {"A=1"};
  record.limits.memory.limit_in_bytes = 5;
  record.operation = Operation::kDestroy;
  record.begun = {"network", "images"};
  record.parts["images"] = boost::json::object{{"size", 77}};
  Pea pea;
  pea.id = "p", pea.runtime_id = "r", pea.created_at_ns = 4;
  pea.limits = api::ProcessLimits{};
  pea.cgroups = Cgroups(std::map<std::string, std::string>{{"memory", "/sys/m"}});
  record.peas["p"] = pea;
  const auto again = ContainerRecord::from_json(record.to_json());
  EXPECT_EQ(again.to_json(), record.to_json());
  EXPECT_EQ(again.properties, record.properties);
  EXPECT_EQ(again.operation, Operation::kDestroy);
  EXPECT_EQ(again.begun, record.begun);
  EXPECT_TRUE(again.peas.at("p").limits);
  EXPECT_EQ(again.peas.at("p").cgroups.paths(), pea.cgroups.paths());
  EXPECT_THROW(ContainerRecord::from_json("{}"), std::runtime_error);
  EXPECT_THROW(ContainerRecord::from_json("{\"handle\":"), std::runtime_error);
}

TEST(ContainerRecord, OfAnEarlierServerIsReadToo) {
  const std::string text = R"({"version":1,"handle":"h","properties":{"garden.state":"created"},"spec":{},
    "privileged":true,"grace_time_ns":5,"created_at_ns":6,"image":{"root":"/r","id":"h","size":7},"runtime_id":"h",
    "init_pid":8,"init_start_time":9,"boot_id":"b","cgroups":{"memory":"/sys/x"},"oom_kills":1,
    "network":{"id":"0123456789a"}})";
  const auto record = ContainerRecord::from_json(text);
  EXPECT_EQ(record.operation, Operation::kNone);
  EXPECT_EQ(record.begun.size(), 6u);
  EXPECT_EQ(record.parts.at("images").at("size"), 7);
  EXPECT_EQ(record.parts.at("runtime").at("pid"), 8);
  EXPECT_EQ(record.parts.at("cgroups").at("paths").at("memory"), "/sys/x");
  EXPECT_EQ(record.parts.at("network").at("id"), "0123456789a");
}

TEST(Names, ThatAreNoPathComponentAreRefused) {
  check_name("handle", "a-b_c.d e");
  check_name("handle", "\xc3\xa4\xc2\xb5");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_THROW(check_name("handle", name), api::GardenError) << name;
  }
}

TEST(Names, WithControlCharactersAreRefusedAndNotRepeated) {
  for (const std::string name : {"a\x1b[2Jb", "a\nb", "a\tb", "a\x7f", "a\xc2\x9b", "\x01"}) {
    try {
      check_name("handle", name);
      ADD_FAILURE() << "accepted";
    } catch (const api::GardenError& e) {
      EXPECT_STREQ(e.what(), "invalid handle: it has control characters");
    }
  }
}

}  // namespace
}  // namespace rivera::garden
