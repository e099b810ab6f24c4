// How fast root file systems come onto the disk: unpacking, pulling, mounting with a disk limit; each beside the usual
// programs in the same run. Needs root, docker-registry and, to compare with, skopeo.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <random>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/process/subprocess.h"
#include "garden/images/images.h"
#include "garden/testing/docker_registry.h"
#include "report.h"

namespace rivera {
namespace {

namespace fs = std::filesystem;
using bench::Better;
using bench::report;
using garden::TestLayer;

constexpr int kRounds = 5;
constexpr int kMounts = 50;

double milliseconds(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

base::CommandResult run(const std::vector<std::string>& argv) {
  base::CommandOptions options;
  options.timeout = std::chrono::minutes(10);
  auto result = base::run_command(argv, options);
  if (!result.ok()) throw std::runtime_error(argv[0] + ": " + result.error);
  return result;
}

// Half noise: compresses about as a program does.
std::string content(std::size_t bytes, std::mt19937& random) {
  std::string text(bytes, 'a');
  for (std::size_t i = 0; i < bytes; i += 2) text[i] = static_cast<char>(random());
  return text;
}

// Files below directories of forty, like a distribution's.
std::string a_tar(std::size_t entries, std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  garden::TestTar tar;
  tar.directory("./");
  for (std::size_t i = 0; i < entries; ++i) {
    const std::string directory = "d" + std::to_string(i / 400) + "/e" + std::to_string(i / 40);
    if (i % 400 == 0) tar.directory("d" + std::to_string(i / 400));
    if (i % 40 == 0) tar.directory(directory);
    tar.file(directory + "/file-" + std::to_string(i), content(bytes / entries, random));
  }
  return tar.bytes();
}

class Bench {
 public:
  Bench() {
    options_.state_dir = root_ + "/state";
    options_.run_dir = root_ + "/run";
    options_.insecure_docker_registries = {"127.0.0.1"};
    options_.graph_cleanup_threshold_megabytes = -1;
    context_ = std::make_unique<garden::Context>(
        garden::Context{io_.get_executor(), workers_, options_, garden::Host::probe(), base::Logger::discard()});
    images_ = std::make_unique<garden::Images>(*context_);
    await(images_->start({}));
  }
  ~Bench() {
    await(images_->remove_everything());
    await(images_->stop());
    images_.reset();
    io_.restart();
    io_.poll();
  }

  void unpacking() {
    const std::string tar = root_ + "/rootfs.tar", tree = root_ + "/rootfs";
    garden::TestTar::write_file(tar, a_tar(8000, 150 << 20, 1));
    fs::create_directories(tree);
    run({"tar", "-xf", tar, "-C", tree});
    std::vector<double> theirs, ours, copies, cp;
    for (int i = 0; i < kRounds; ++i) {
      theirs.push_back(into_empty([&](const std::string& target) { run({"tar", "-xf", tar, "-C", target}); }));
      ours.push_back(into_empty([&](const std::string& target) { garden::unpack(tar, target, mapping_); }));
      cp.push_back(into_empty([&](const std::string& target) { run({"cp", "-a", tree + "/.", target}); }));
      copies.push_back(into_empty([&](const std::string& target) { garden::unpack(tree, target, mapping_); }));
    }
    report("garden_images", "tar -x, 150 MB, 8,000 files", "time", median(theirs), "ms");
    report("garden_images", "unpack a tar, 150 MB, 8,000 files", "time", median(ours), "ms", median(theirs),
           Better::kLower);
    report("garden_images", "cp -a, 150 MB, 8,000 files", "time", median(cp), "ms");
    report("garden_images", "unpack a directory, 150 MB, 8,000 files", "time", median(copies), "ms", median(theirs),
           Better::kLower);
  }

  void pulling() {
    const garden::DockerRegistry registry;
    std::vector<TestLayer> layers;
    for (unsigned i = 0; i < 10; ++i) {
      TestLayer layer;
      const std::string tar = a_tar(800, 20 << 20, i);
      layer.diff_id = garden::digest_of(tar);
      layer.blob = garden::compress(tar, garden::Compression::kGzip);
      layer.digest = garden::digest_of(layer.blob);
      layer.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
      layers.push_back(std::move(layer));
    }
    const auto image = garden::test_image(layers);
    registry.push("bench/image", "latest", image);
    const bool has_skopeo = base::run_command({"sh", "-c", "command -v skopeo"}).ok();
    std::vector<double> theirs, ours;
    for (int i = 0; i < kRounds; ++i) {
      if (has_skopeo)
        theirs.push_back(into_empty([&](const std::string& target) { skopeo(registry, layers, target); }));
      await(images_->clean(0));
      collect_trash();
      ours.push_back(milliseconds([&] { create(registry.uri("bench/image", "latest"), 0); }));
      await(images_->destroy("image"));
      await(images_->clean(0));
      collect_trash();
    }
    std::optional<double> target;
    if (has_skopeo) {
      target = median(theirs);
      report("garden_images", "skopeo copy and tar -x, 200 MB, 10 layers", "time", *target, "ms");
    }
    report("garden_images", "pull and unpack, 200 MB, 10 layers", "time", median(ours), "ms", target, Better::kLower);
    std::vector<double> cached;
    for (int i = 0; i < kMounts; ++i) {
      cached.push_back(milliseconds([&] { create(registry.uri("bench/image", "latest"), 0); }));
      await(images_->destroy("image"));
    }
    report("garden_images", "mount a cached docker image", "time", median(cached), "ms");
  }

  void mounting() {
    const std::string tar = root_ + "/small.tar";
    garden::TestTar::write_file(tar, a_tar(100, 1 << 20, 2));
    for (const std::uint64_t megabytes : {0, 1024}) {
      std::vector<double> created, destroyed;
      create(tar, megabytes);
      for (int i = 0; i < kMounts; ++i) {
        created.push_back(milliseconds([&] { create(tar, megabytes); }));
        destroyed.push_back(milliseconds([&] { await(images_->destroy("image")); }));
      }
      const std::string which = megabytes == 0 ? "without a disk limit" : "disk limit of 1 GiB";
      report("garden_images", which, "create", median(created), "ms");
      report("garden_images", which, "destroy", median(destroyed), "ms");
    }
  }

 private:
  double into_empty(const std::function<void(const std::string&)>& work) {
    const std::string target = root_ + "/target";
    fs::create_directories(target);
    const double took = milliseconds([&] { work(target); });
    fs::remove_all(target);
    settle();
    return took;
  }
  // What is removed in the background is not the next round's burden either.
  void collect_trash() {
    while (!fs::is_empty(root_ + "/state/trash")) {
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
    }
    settle();
  }
  // What one round has left to write is not the next one's burden.
  static void settle() { ::sync(); }

  void skopeo(const garden::DockerRegistry& registry, const std::vector<TestLayer>& layers, const std::string& target) {
    run({"skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false",
         "docker://" + registry.address() + "/bench/image:latest", "dir:" + target + "/dir"});
    for (const auto& layer : layers) {
      fs::create_directories(target + "/rootfs");
      run({"tar", "-xzf", target + "/dir/" + layer.digest.substr(7), "-C", target + "/rootfs"});
    }
  }

  void create(const std::string& uri, std::uint64_t megabytes) {
    garden::ImageRequest request;
    request.id = "image";
    request.image.uri = uri;
    request.mapping = mapping_;
    request.disk.byte_hard = megabytes << 20;
    request.disk.exclusive_scope = true;
    await(images_->create(std::move(request)));
  }

  template <typename T>
  T await(asio::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr failure;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr e, T value) {
      failure = e;
      if (!e) result.emplace(std::move(value));
    });
    io_.restart();
    while (!failure && !result) io_.run_one();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
  void await(asio::awaitable<void> work) {
    bool is_done = false;
    std::exception_ptr failure;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr e) { failure = e, is_done = true; });
    io_.restart();
    while (!is_done) io_.run_one();
    if (failure) std::rethrow_exception(failure);
  }

  base::TemporaryDirectory temporary_{"rivera-bench-images-"};
  std::string root_ = temporary_.path();
  garden::IdMapping mapping_{{{0, 4294967294, 1}, {1, 1, 4294967293}}, {{0, 4294967294, 1}, {1, 1, 4294967293}}};
  asio::io_context io_{1};
  base::WorkerPool workers_{4};
  garden::Options options_;
  std::unique_ptr<garden::Context> context_;
  std::unique_ptr<garden::Images> images_;
};

}  // namespace
}  // namespace rivera

// `garden_images [unpacking|mounting|pulling]`: one part, or all.
int main(int argc, char** argv) {
  try {
    const std::string part = argc > 1 ? argv[1] : "";
    rivera::Bench bench;
    if (part.empty() || part == "unpacking") bench.unpacking();
    if (part.empty() || part == "mounting") bench.mounting();
    if (part.empty() || part == "pulling") bench.pulling();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
