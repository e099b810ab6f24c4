#include "garden/registry/registry_session.h"

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "garden/testing/fake_registry.h"

namespace rivera::garden {
namespace {

using namespace std::chrono_literals;

class CountingSink final : public BlobSink {
 public:
  void write(std::string_view bytes) override { written_ += bytes.size(); }
  void restart() override { written_ = 0; }

 private:
  std::size_t written_ = 0;
};

// Each piece comes in time, the whole never does.
TEST(RegistrySession, GivesUpARegistryThatTrickles) {
  base::WorkerPool workers(1);
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    FakeRegistry registry(executor);
    TestTar tar;
    tar.file("file", std::string(1 << 20, 'x'));
    const TestLayer layer = test_layer(tar, Compression::kNone);
    const TestImage image = test_image({layer});
    registry.add("1", image);
    registry.drip = 10ms;
    RegistryOptions options;
    options.insecure_registries = {"127.0.0.1"};
    options.idle_timeout = 300ms;
    options.attempts = 1;
    const auto tls = registry_tls_context("", registry.address(), true);
    RegistrySession session(executor, workers, options, parse_image_reference(registry.uri("1"), ""), {}, tls, tls);
    const auto begun = std::chrono::steady_clock::now();
    bool is_given_up = false;
    try {
      CountingSink sink;
      Descriptor blob;
      blob.digest = layer.digest;
      blob.size = layer.blob.size();
      co_await session.download(blob, sink);
    } catch (const net::TransportError&) {
      is_given_up = true;
    }
    EXPECT_TRUE(is_given_up);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
    co_await registry.stop();
  });
}

}  // namespace
}  // namespace rivera::garden
