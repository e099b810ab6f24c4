// What one tenant's image can do to others, and to this machine.
#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "garden/testing/images_fixture.h"
#include "net/testing/test_name_server.h"

namespace rivera::garden {
namespace {

class ImageTrust : public ImagesFixture {
 protected:
  // The image, with the second layer put below `directory` by an annotation.
  static TestImage with_second_layer_at(const TestImage& image, const std::string& directory) {
    auto manifest = boost::json::parse(image.manifest).as_object();
    manifest.at("layers").as_array().at(1).as_object()["annotations"] =
        boost::json::object{{"org.cloudfoundry.experimental.image.base-directory", directory}};
    TestImage other = image;
    other.manifest = boost::json::serialize(manifest);
    other.manifest_digest = digest_of(other.manifest);
    return other;
  }

  std::string own_port() const { return registry_.address().substr(registry_.address().rfind(':')); }
};

// A layer takes what it leaves out, the owner of a directory for one, from those below: the same layer over the same
// ones at another place is another layer.
TEST_F(ImageTrust, LayersAtAnotherPlaceDoNotReachAnotherImage) {
  TestTar low, middle, high;
  low.directory("./").directory("etc", 0755).directory("home");
  middle.with_owner(2000, 2000).directory("etc", 0700);
  high.file("etc/secret", "x");
  const auto image = test_image({test_layer(low), test_layer(middle), test_layer(high)});
  registry_.add("hostile", with_second_layer_at(image, "home"));
  registry_.add("latest", image);
  create(registry_.uri("hostile"), "hostile");
  const Image created = create(registry_.uri("latest"));
  struct stat info {};
  ASSERT_EQ(::stat((created.root + "/etc").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0700u);
  EXPECT_EQ(info.st_uid, 2000u);
}

// What an image says about its layers has no effect on others: not on another tenant's image, which has the
// layer that this one claims to have.
TEST_F(ImageTrust, ALayerThatIsNotWhatItsImageSaysReachesNoOtherImage) {
  const auto good = layer("file", "good"), evil = layer("file", "evil");
  auto claimed = evil;
  claimed.diff_id = good.diff_id;
  registry_.add("hostile", test_image({claimed}));
  EXPECT_NE(failure_of(registry_.uri("hostile")).find("digest"), std::string::npos);
  registry_.add("latest", test_image({good}));
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), "good");
}

// --- requests to this machine (server-side request forgery) ---

TEST_F(ImageTrust, ARegistryLeadsToNothingOnThisMachine) {
  FakeRegistry internal(io_.get_executor());
  const auto one = layer("file", "x");
  internal.blobs[one.digest] = one.blob;
  registry_.add("latest", test_image({one}));
  options_.insecure_docker_registries = {registry_.address()};
  open();
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.target.find(one.digest) == std::string::npos) return std::nullopt;
    auto answer = net::text_response(307, "");
    answer.headers.set("Location", "http://" + internal.address() + "/x/blobs/" + one.digest);
    return answer;
  };
  EXPECT_NE(failure_of(registry_.uri("latest")).find("images may not come from http://" + internal.address()),
            std::string::npos);
  EXPECT_TRUE(internal.requests.empty());
  // Nor does the place where it has clients log in.
  registry_.intercept = [&](const net::RequestHead&) -> std::optional<net::HttpResponse> {
    auto answer = net::json_response(401, "{}");
    answer.headers.set("WWW-Authenticate", "Bearer realm=\"http://" + internal.address() + "/token\"");
    return answer;
  };
  EXPECT_NE(failure_of(registry_.uri("latest")).find("images may not come from"), std::string::npos);
  EXPECT_TRUE(internal.requests.empty());
  await(internal.stop());
}

TEST_F(ImageTrust, AnImagesNameLeadsToNothingOnThisMachine) {
  const std::map<std::string, std::string> known{{"evil.test.internal", "127.0.0.1"}};
  const net::TestNameServer names(known);
  registry_.add("latest", test_image({layer("file", "x")}));
  options_.insecure_docker_registries.clear();
  open();
  // The last part was once the mark of a server that the platform names.
  for (const std::string& uri :
       {registry_.uri("latest"), "docker://evil.test.internal" + own_port() + "/test/image#latest",
        "docker://127.0.0.1" + own_port() + "/layer#latest", "docker://[::ffff:127.0.0.1]" + own_port() + "/test/image",
        std::string("docker://169.254.169.254/latest/meta-data")}) {
    EXPECT_NE(failure_of(uri), "") << uri;
  }
  EXPECT_TRUE(registry_.requests.empty());
  options_.insecure_docker_registries = {"evil.test.internal"};
  open();
  EXPECT_EQ(content(create("docker://evil.test.internal" + own_port() + "/test/image#latest"), "file"), "x");
  options_.insecure_docker_registries = {"evil.test.internal"};
  options_.deny_registry_networks = {"127.0.0.0/8"};
  open();
  EXPECT_EQ(content(create("docker://evil.test.internal" + own_port() + "/test/image#latest"), "file"), "x")
      << "what the operator names is allowed wherever it is";
}

// --- ids of their own ---

TEST_F(ImageTrust, ContainersWithOtherIdsShareLayers) {
  const IdMapping disk = unprivileged_mapping(options_, context_->host);
  TestTar tar;
  tar.directory("./")
      .file("root", "r")
      .with_owner(2000, 3000)
      .file("user", "u")
      .with_owner(100'000, 100'000)
      .file("far", "f");
  registry_.add("latest", test_image({test_layer(tar)}));
  std::vector<Image> images;
  for (const std::uint32_t first : {2'415'919'104u, 2'415'984'640u}) {
    auto wanted = request(registry_.uri("latest"), "image-" + std::to_string(first));
    wanted.mapping = disk;
    wanted.owners = translation(disk, own_mapping(first, 65'536));
    images.push_back(await(images_->create(wanted)));
    const std::string root = images.back().root;
    struct stat info {};
    ASSERT_EQ(::stat(root.c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, first);
    ASSERT_EQ(::stat((root + "/root").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, first);
    EXPECT_EQ(info.st_gid, first);
    ASSERT_EQ(::stat((root + "/user").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, first + 2000);
    EXPECT_EQ(info.st_gid, first + 3000);
    // Beyond the range: no user of the container.
    ASSERT_EQ(::stat((root + "/far").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 100'000u);
    EXPECT_EQ(::chmod((root + "/far").c_str(), 0600), 0);
    ASSERT_EQ(::chown((root + "/user").c_str(), first + 1, first + 1), 0);
    EXPECT_EQ(::unlink((root + "/root").c_str()), 0);
    EXPECT_FALSE(std::filesystem::exists(root + "/root"));
  }
  EXPECT_EQ(layers_on_disk(), 1u);
  EXPECT_TRUE(std::filesystem::exists(create(registry_.uri("latest"), "third").root + "/root"));
}

}  // namespace
}  // namespace rivera::garden
