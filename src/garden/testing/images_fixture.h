// Images over a disk of their own and a registry in the test's process.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/images/images.h"
#include "garden/testing/fake_registry.h"

namespace rivera::garden {

class ImagesFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_FAIL() << "needs root";
    options_.state_dir = root_ + "/state";
    options_.run_dir = root_ + "/run";
    options_.insecure_docker_registries = {"127.0.0.1"};
    options_.registry_certificates = root_ + "/certs.d";
    options_.graph_cleanup_threshold_megabytes = -1;
    open();
  }
  void TearDown() override {
    if (images_) {
      await(images_->remove_everything());
      await(images_->stop());
    }
    await(registry_.stop());
    images_.reset();
    for (int i = 0; i < 100; ++i) io_.poll();
  }

  // A new object over the same disk: the next server.
  void open() {
    if (images_) await(images_->stop());
    images_.reset();
    context_ = std::make_unique<Context>(
        Context{io_.get_executor(), workers_, options_, Host::probe(), base::Logger::discard()});
    images_ = std::make_unique<Images>(*context_);
    await(images_->start({}));
  }

  template <typename T>
  T await(asio::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr failure;
    bool is_done = false;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr e, T value) {
      failure = e, is_done = true;
      if (!e) result.emplace(std::move(value));
    });
    pump(is_done);
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
  void await(asio::awaitable<void> work) {
    std::exception_ptr failure;
    bool is_done = false;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr e) { failure = e, is_done = true; });
    pump(is_done);
    if (failure) std::rethrow_exception(failure);
  }
  void pump(const bool& is_done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io_.restart();
    while (!is_done && std::chrono::steady_clock::now() < deadline) {
      if (io_.run_one_for(std::chrono::seconds(1)) == 0) io_.restart();
    }
    if (!is_done) throw std::runtime_error("no end within 60 seconds");
  }

  ImageRequest request(const std::string& uri, const std::string& id = "image") const {
    ImageRequest request;
    request.id = id;
    request.image = {uri, user_, password_};
    return request;
  }
  Image create(const std::string& uri, const std::string& id = "image") {
    return await(images_->create(request(uri, id)));
  }
  // The failure's text; "" if there was none.
  std::string failure_of(const std::string& uri) {
    try {
      create(uri, "failing");
      return "";
    } catch (const clients::garden::GardenError& e) {
      return e.what();
    }
  }
  std::string content(const Image& image, const std::string& name) const {
    return base::read_file(image.root + "/" + name);
  }
  std::size_t layers_on_disk() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root_ + "/state/layers"))
      count += entry.is_directory() ? 1 : 0;
    return count;
  }
  void expect_nothing_half_made() {
    EXPECT_TRUE(std::filesystem::is_empty(root_ + "/state/downloads"));
    for (const auto& entry : std::filesystem::directory_iterator(root_ + "/state/layers"))
      EXPECT_EQ(entry.path().string().find(".incomplete-"), std::string::npos) << entry.path();
  }

  static TestLayer layer(const std::string& name, const std::string& text,
                         Compression compression = Compression::kGzip) {
    TestTar tar;
    tar.directory("./").file(name, text);
    return test_layer(tar, compression);
  }

  base::TemporaryDirectory temporary_{"rivera-images-"};
  std::string root_ = temporary_.path();
  std::string user_, password_;
  asio::io_context io_{1};
  base::WorkerPool workers_{4};
  Options options_;
  std::unique_ptr<Context> context_;
  FakeRegistry registry_{io_.get_executor()};
  std::unique_ptr<Images> images_;
};

}  // namespace rivera::garden
