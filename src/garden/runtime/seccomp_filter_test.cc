// What crun made of the seccomp profile is given to it again, for that profile only.
#include "garden/runtime/seccomp_filter.h"

#include <filesystem>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/files.h"
#include "garden/bundle/seccomp_profile.h"

namespace rivera::garden {

namespace json = boost::json;

namespace {

constexpr const char* kAnnotation = "run.oci.seccomp_bpf_data";

json::object config_with(json::value profile) { return {{"linux", {{"seccomp", std::move(profile)}}}}; }

class Filter : public ::testing::Test {
 protected:
  // The state of a container that crun has started.
  std::string state(const json::object& config, const std::string& program) {
    const std::string path = directory_.path() / std::to_string(next_++);
    std::filesystem::create_directory(path);
    base::write_file_atomically(path + "/config.json", json::serialize(config));
    base::write_file_atomically(path + "/seccomp.bpf", program);
    return path;
  }
  std::string added(json::object config) {
    filter_.add_to(config);
    const auto* annotations = config.if_contains("annotations");
    return annotations == nullptr ? "" : std::string(annotations->at(kAnnotation).as_string());
  }
  base::TemporaryDirectory directory_;
  SeccompFilter filter_;

 private:
  int next_ = 0;
};

TEST_F(Filter, IsGivenToContainersWithTheProfileThatItWasMadeFrom) {
  const auto config = config_with(seccomp_profile(true));
  EXPECT_EQ(added(config), "");
  filter_.learn(state(config, "8 bytes."));
  EXPECT_EQ(added(config), base::to_base64("8 bytes."));
  EXPECT_EQ(added(config_with(seccomp_profile(false))), "");
  EXPECT_EQ(added({{"linux", json::object{}}}), "");
  EXPECT_EQ(added({}), "");
}

TEST_F(Filter, StaysTheFirstOne) {
  const auto config = config_with(seccomp_profile(true));
  filter_.learn(state(config, "8 bytes."));
  filter_.learn(state(config, "others.."));
  EXPECT_EQ(added(config), base::to_base64("8 bytes."));
}

TEST_F(Filter, IsNotTakenFromWhatHoldsNone) {
  const auto config = config_with(seccomp_profile(true));
  filter_.learn(directory_.path() / "missing");
  filter_.learn(state({{"linux", json::object{}}}, "8 bytes."));
  filter_.learn(state(config, ""));
  filter_.learn(state(config, "half an instruction"));
  filter_.learn(state(config, std::string(std::size_t{8} * 4097, 'x')));
  EXPECT_EQ(added(config), "");
  filter_.learn(state(config, "8 bytes."));
  EXPECT_NE(added(config), "");
}

}  // namespace
}  // namespace rivera::garden
