// gRPC cleans up in the background once its last object is gone. The tests wait for that, or what is left at the end of
// the process looks like a leak.
#include <grpc/grpc.h>
#include <gtest/gtest.h>

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
