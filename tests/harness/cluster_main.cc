// The main program of whole-cluster tests that share one cluster on one machine.
//
//   <test> --start-cluster DIR    starts a cluster in DIR and leaves it running (a ctest fixture does that once)
//   <test> --stop-cluster DIR     stops it and removes DIR
//   <test> [gtest flags]          runs the tests on the cluster of RIVERA_TEST_CLUSTER; without that variable, on one
//                                 of its own
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "harness/cluster_under_test.h"

namespace {

using rivera::harness::ClusterUnderTest;

class OwnCluster final : public ::testing::Environment {
 public:
  void SetUp() override {
    directory_.emplace("rivera-cluster-");
    ::setenv("RIVERA_TEST_CLUSTER", directory_->path().c_str(), 1);
    ClusterUnderTest::start(directory_->path());
  }
  void TearDown() override {
    if (directory_) ClusterUnderTest(directory_->path()).stop();
    directory_.reset();
  }

 private:
  std::optional<rivera::base::TemporaryDirectory> directory_;
};

int start(const std::string& directory) {
  if (rivera::cluster::settings_exist(directory)) ClusterUnderTest(directory).stop();
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  ClusterUnderTest::start(directory);
  return 0;
}

int stop(const std::string& directory) {
  ClusterUnderTest(directory).stop();
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string first = argc > 2 ? argv[1] : "";
  if (first == "--start-cluster") return start(argv[2]);
  if (first == "--stop-cluster") return stop(argv[2]);
  ::testing::InitGoogleTest(&argc, argv);
  const bool lists_only = GTEST_FLAG_GET(list_tests);
  if (!lists_only && std::getenv("RIVERA_TEST_CLUSTER") == nullptr) {
    ::testing::AddGlobalTestEnvironment(new OwnCluster);
  }
  return RUN_ALL_TESTS();
} catch (const std::exception& e) {
  fmt::print(stderr, "{}\n", e.what());
  return 1;
}
