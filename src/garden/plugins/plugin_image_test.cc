// Root file systems that an image plugin makes.
#include <filesystem>
#include <fstream>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/plugins/image_plugin.h"
#include "garden/plugins/plugin_layout.h"
#include "garden/testing/fake_plugin.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

std::string image_failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const api::GardenError& e) {
    return e.what();
  }
  return "no failure";
}

TEST(ImagePlugin, IsCalledWithItsArguments) {
  FakePlugin fake;
  fake.answer("create", R"({"root":{"path":"/r"},"process":{"env":["A=1"]},"mounts":[{"destination":"/m","type":"bind",
"source":"/s","options":["bind","ro"]}]})");
  fake.answer("stats", R"({"disk_usage":{"total_bytes_used":30,"exclusive_bytes_used":20}})");
  fake.answer("capacity", R"({"capacity":99})");
  const ImagePlugin plugin(fake.program(), {"--store", "x"}, base::Logger::discard());
  const PluginImage image = plugin.create("h", {"docker://host/repo#tag", "", ""}, {});
  EXPECT_EQ(image.root, "/r");
  EXPECT_THAT(image.env, ElementsAre("A=1"));
  ASSERT_EQ(image.mounts.size(), 1u);
  EXPECT_EQ(image.mounts[0].destination + image.mounts[0].type + image.mounts[0].source, "/mbind/s");
  EXPECT_THAT(image.mounts[0].options, ElementsAre("bind", "ro"));
  api::DiskLimits disk;
  disk.byte_hard = 1000;
  plugin.create("h", {"/base.tar", "user", "secret"}, disk);
  disk.exclusive_scope = true;
  plugin.create("h", {"/base.tar", "", ""}, disk);
  plugin.destroy("h");
  EXPECT_EQ(plugin.stats("h").exclusive_bytes_used, 20u);
  EXPECT_EQ(plugin.stats("h").total_bytes_used, 30u);
  EXPECT_EQ(plugin.capacity(), 99u);
  EXPECT_THAT(fake.calls(),
              ElementsAre("--store x create docker://host/repo:tag h",
                          "--store x create --disk-limit-size-bytes 1000 --username user --password secret /base.tar h",
                          "--store x create --disk-limit-size-bytes 1000 --exclude-image-from-quota /base.tar h",
                          "--store x delete h", "--store x stats h", "--store x stats h", "--store x capacity"));
}

TEST(ImagePlugin, FailuresHoldWhatItPrinted) {
  FakePlugin fake;
  fake.log(R"({"message":"grootfs.create.failed","log_level":2,"data":{"a":1}})");
  const ImagePlugin plugin(fake.program(), {}, base::Logger::discard());
  for (const char* action : {"create", "delete", "stats", "capacity"}) fake.fail(action, "no room");
  EXPECT_EQ(image_failure_of([&] {
              plugin.create("h", {"/x", "user", "secret"}, {});
            }),
            "running image plugin create: no room: exit status 3");
  EXPECT_EQ(image_failure_of([&] { plugin.destroy("h"); }), "running image plugin destroy: no room: exit status 3");
  EXPECT_EQ(image_failure_of([&] { plugin.stats("h"); }), "running image plugin metrics: no room: exit status 3");
  EXPECT_EQ(image_failure_of([&] { plugin.capacity(); }), "running image plugin capacity: no room: exit status 3");
  fake.answer("create", "nonsense");
  fake.answer("stats", "nonsense");
  EXPECT_THAT(image_failure_of([&] {
                plugin.create("h", {"/x", "", ""}, {});
              }),
              StartsWith("parsing image plugin create: nonsense: "));
  EXPECT_THAT(image_failure_of([&] { plugin.stats("h"); }), StartsWith("parsing stats: nonsense: "));
}

TEST(PluginLayout, NamesBothLayers) {
  base::TemporaryDirectory directory;
  const std::string base = (directory.path() / "base.tar").string(), layout = (directory.path() / "image").string();
  std::ofstream(base) << "base";
  EXPECT_EQ(write_plugin_layout(
                "preloaded+layer:" + base + "?layer=https://example.com/d%3Fx&layer_path=/home/vcap&layer_digest=abc",
                layout),
            "oci://" + layout);
  const auto parse = [](const std::string& path) { return json::parse(base::read_file(path)); };
  const auto blob = [&](const json::value& descriptor) {
    return layout + "/blobs/sha256/" + std::string(descriptor.at("digest").as_string()).substr(7);
  };
  const json::value index = parse(layout + "/index.json");
  EXPECT_EQ(index.at("schemaVersion"), 2);
  const json::value manifest = parse(blob(index.at("manifests").at(0)));
  const json::value config = parse(blob(manifest.at("config")));
  const json::value& lower = manifest.at("layers").at(0);
  const json::value& upper = manifest.at("layers").at(1);
  EXPECT_EQ(base::read_file(blob(lower)), "base");
  EXPECT_EQ(lower.at("mediaType"), "application/vnd.oci.image.layer.v1.tar");
  EXPECT_EQ(upper.at("mediaType"), "application/vnd.oci.image.layer.v1.tar+gzip");
  EXPECT_EQ(upper.at("digest"), "sha256:abc");
  EXPECT_EQ(upper.at("urls").at(0), "https://example.com/d?x");
  EXPECT_EQ(upper.at("annotations").at("org.cloudfoundry.experimental.image.base-directory"), "/home/vcap");
  EXPECT_EQ(config.at("os"), "linux");
  EXPECT_EQ(config.at("rootfs").at("type"), "layers");
  EXPECT_EQ(config.at("rootfs").at("diff_ids").at(0), lower.at("digest"));
  EXPECT_EQ(config.at("rootfs").at("diff_ids").at(1), "sha256:abc");
}

TEST(PluginLayout, NeedsAllOfItsParameters) {
  base::TemporaryDirectory directory;
  const auto failure = [&](const std::string& uri) {
    return image_failure_of([&] { write_plugin_layout(uri, (directory.path() / "image").string()); });
  };
  EXPECT_EQ(
      failure("preloaded+layer:/b?layer=x&layer_path=y"),
      "creating image spec: no query parameter 'layer_digest' found in URL preloaded+layer:/b?layer=x&layer_path=y");
  EXPECT_EQ(failure("preloaded+layer:/b"),
            "creating image spec: no query parameter 'layer' found in URL preloaded+layer:/b");
  EXPECT_EQ(failure("preloaded+layer:/nonexistent?layer=x&layer_path=y&layer_digest=z"),
            "creating image spec: stat /nonexistent: No such file or directory");
}

class PluginImages : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(std::vector<std::string> flags) { garden_ = std::make_unique<TestGarden>(std::move(flags)); }
  // Lets the plugin give containers a copy of the usual root file system.
  void give_image(FakePlugin& fake) const {
    const std::string root = fake.directory() + "/rootfs";
    fs::copy(garden_->rootfs(), root, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    for (const char* file : {"/etc/hosts", "/etc/resolv.conf", "/tmp/garden-init"}) std::ofstream(root + file);
    std::ofstream(fake.directory() + "/mounted") << "from the image";
    base::write_file_atomically(root + "/etc/mounted", "");
    fake.answer("create", R"({"root":{"path":")" + root + R"("},"process":{"env":["FROM_IMAGE=yes","BOTH=image"]},
"mounts":[{"destination":"/etc/mounted","type":"bind","source":")" +
                              fake.directory() + R"(/mounted","options":["bind","ro"]}]})");
  }
  clients::GardenClient& client() { return garden_->client(); }

  FakePlugin unprivileged_, privileged_;
  std::unique_ptr<TestGarden> garden_;
};

TEST_F(PluginImages, AreMadeByThePluginForTheKindOfContainer) {
  start({"--image-plugin", unprivileged_.program(), "--image-plugin-extra-arg=\"--store\"", "--privileged-image-plugin",
         privileged_.program()});
  give_image(unprivileged_);
  unprivileged_.answer("stats", R"({"disk_usage":{"total_bytes_used":30,"exclusive_bytes_used":20}})");
  unprivileged_.answer("capacity", R"({"capacity":77})");
  api::ContainerSpec spec;
  spec.handle = "h";
  spec.image.uri = "docker:///repo#tag";
  spec.env = {"BOTH=container"};
  garden_->create(spec);
  EXPECT_EQ(garden_->run("h", "echo $FROM_IMAGE $BOTH; cat /etc/mounted").output, "yes container\nfrom the image");
  const auto config = json::parse(base::read_file(garden_->depot() + "/h/config.json"));
  EXPECT_EQ(config.at("mounts").at(0).at("destination"), "/etc/mounted");
  EXPECT_EQ(garden_->await(client().metrics("h")).disk.total_bytes_used, 30u);
  EXPECT_EQ(garden_->await(client().capacity()).schedulable_disk_in_bytes, 77u);
  garden_->kill();
  garden_->start();
  EXPECT_EQ(garden_->run("h", "echo $FROM_IMAGE").output, "yes\n");
  garden_->await(client().destroy("h"));
  EXPECT_THAT(unprivileged_.calls(), ElementsAre("--store create docker:///repo:tag h", "--store stats h",
                                                 "--store capacity", "--store delete h"));
  EXPECT_THAT(privileged_.calls(), ElementsAre("delete h"));
}

TEST_F(PluginImages, FailuresUndoTheContainer) {
  start({"--image-plugin", unprivileged_.program()});
  unprivileged_.fail("create", "no such image");
  api::ContainerSpec spec;
  spec.handle = "h";
  spec.image.uri = "docker:///missing";
  EXPECT_EQ(image_failure_of([&] { garden_->create(spec); }),
            "running image plugin create: no such image: exit status 3");
  EXPECT_THAT(unprivileged_.calls(), ElementsAre("create docker:///missing h", "delete h"));
  spec.privileged = true;
  EXPECT_EQ(image_failure_of([&] { garden_->create(spec); }),
            "creating create command: no privileged_image_plugin provided");
  EXPECT_THAT(garden_->left_overs_of_containers(), ElementsAre());
}

TEST_F(PluginImages, MetricsNameBothFailures) {
  start({"--image-plugin", unprivileged_.program(), "--privileged-image-plugin", privileged_.program()});
  give_image(unprivileged_);
  garden_->create_named("h");
  unprivileged_.fail("stats", "one");
  privileged_.answer("stats", R"({"disk_usage":{"total_bytes_used":30,"exclusive_bytes_used":20}})");
  EXPECT_EQ(garden_->await(client().metrics("h")).disk.exclusive_bytes_used, 20u);
  privileged_.fail("stats", "two");
  EXPECT_EQ(image_failure_of([&] { garden_->await(client().metrics("h")); }),
            "image plugin returned these errors:\nunprivileged: running image plugin metrics: one: exit status 3\n"
            "privileged: running image plugin metrics: two: exit status 3");
}

TEST_F(PluginImages, ADirectoryNeedsNone) {
  start({"--image-plugin", unprivileged_.program()});
  give_image(unprivileged_);
  api::ContainerSpec spec;
  spec.handle = "h";
  spec.image.uri = "raw://" + unprivileged_.directory() + "/rootfs";
  garden_->create(spec);
  EXPECT_EQ(garden_->await(client().metrics("h")).disk.total_bytes_used, 0u);
  garden_->await(client().destroy("h"));
  EXPECT_THAT(unprivileged_.calls(), ElementsAre("delete h"));
}

}  // namespace
}  // namespace rivera::garden
