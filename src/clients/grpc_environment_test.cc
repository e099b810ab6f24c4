// gRPC cleans up in the background once its last object is gone. The tests wait for that, or what is left at the end of
// the process looks like a leak.
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

#include <grpc/grpc.h>
#include <gtest/gtest.h>

namespace rivera::clients {
namespace {

class GrpcEnvironment : public testing::Environment {
 public:
  void SetUp() override {
    threads_ = count_threads();
    grpc_init();
  }
  // Its detached threads may still be ending then, OpenSSL's error state of each among what they free. Threads that are
  // not gRPC's may stay: hence the short limit.
  void TearDown() override {
    grpc_shutdown_blocking();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    while (count_threads() > threads_ && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  }

 private:
  static std::ptrdiff_t count_threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  }

  std::ptrdiff_t threads_ = 0;
};

const testing::Environment* const kEnvironment = testing::AddGlobalTestEnvironment(new GrpcEnvironment);

}  // namespace
}  // namespace rivera::clients
