#include "garden/network/network_driver.h"

#include <fstream>
#include <sched.h>
#include <thread>

#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/network/netlink.h"

namespace rivera::garden {
namespace {

constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";

Options garden_with_tag(const std::string& tag, const std::string& directory) {
  Options options;
  options.tag = tag;
  options.run_dir = directory + "/garden-" + tag;
  options.external_ip = "127.0.0.1";
  return options;
}

// In the network of the calling thread.
void take_turns(const std::string& directory) {
  std::ofstream(kForwarding) << "0";
  const Subnet pool = Subnet::parse("10.254.0.0/22");
  NetworkDriver first(garden_with_tag("xa", directory), Host());
  NetworkDriver second(garden_with_tag("xb", directory), Host());
  first.start({});
  second.start({});
  first.remove_everything(pool);
  EXPECT_EQ(base::read_file(kForwarding), "1\n") << "the second one needs it";
  second.remove_everything(pool);
  EXPECT_EQ(base::read_file(kForwarding), "0\n") << "as it was before the first one";
}

TEST(NetworkDriver, TheLastGardenOfAHostRestoresForwarding) {
  const base::TemporaryDirectory directory;
  std::thread in_a_network_of_its_own([&] {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    Netlink().set_up("lo", 0);
    take_turns(directory.path());
  });
  in_a_network_of_its_own.join();
}

}  // namespace
}  // namespace rivera::garden
