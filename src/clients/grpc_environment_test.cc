// gRPC cleans up in the background once its last object is gone. The tests wait for that, or what is left at the end of
// the process looks like a leak.
#include <grpc/grpc.h>
#include <gtest/gtest.h>

// Stacks of what libcrypto allocates end in libcrypto, which has no frame pointers: a leak that a sanitizer reports
// there names nothing of ours or of gRPC's unless the stacks are unwound the slow way.
extern "C" const char* __asan_default_options() { return "fast_unwind_on_malloc=0"; }  // NOLINT: the sanitizer's name

namespace rivera::clients {
namespace {

class GrpcEnvironment : public testing::Environment {
 public:
  void SetUp() override { grpc_init(); }
  void TearDown() override { grpc_shutdown_blocking(); }
};

const testing::Environment* const kEnvironment = testing::AddGlobalTestEnvironment(new GrpcEnvironment);

}  // namespace
}  // namespace rivera::clients
