// What registries and layouts say, right and wrong.
#include <gtest/gtest.h>

#include "garden/registry/challenge.h"
#include "garden/registry/image_documents.h"
#include "garden/registry/image_reference.h"
#include "garden/testing/test_image.h"

namespace rivera::garden {
namespace {

constexpr const char* kHub = "registry-1.docker.io";

TEST(ImageReferences, AreReadAsTheSpecificationHasThem) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::vector<std::pair<std::string, std::string>> cases{
      {"docker:///busybox", "registry-1.docker.io/library/busybox:latest"},
      {"docker:///cloudfoundry/grace#v1", "registry-1.docker.io/cloudfoundry/grace:v1"},
      {"docker:///cloudfoundry/grace:v1", "registry-1.docker.io/cloudfoundry/grace:v1"},
      {"docker://docker.io/busybox#1.36", "registry-1.docker.io/library/busybox:1.36"},
      {"docker://registry.example.com:5000/a/b/c#t_1", "registry.example.com:5000/a/b/c:t_1"},
      {"docker://127.0.0.1:5000/x@" + digest, "127.0.0.1:5000/x@" + digest},
      {"docker://127.0.0.1:5000/x#tag@" + digest, "127.0.0.1:5000/x@" + digest},
      {"docker://[::1]:5000/x", "[::1]:5000/x:latest"},
  };
  for (const auto& [uri, text] : cases) EXPECT_EQ(parse_image_reference(uri, kHub).text(), text) << uri;
  EXPECT_EQ(parse_image_reference("docker:///busybox", "mirror:5000").text(), "mirror:5000/busybox:latest");
}

TEST(ImageReferences, ThatAreNoneAreRefused) {
  for (const char* uri :
       {"docker://host", "docker:///", "docker:///UPPER", "docker:///a/../b", "docker:///a//b", "docker:///a/b/",
        "docker:///a#", "docker:///a#t/../../x", "docker:///a@sha256:12", "docker:///a@md5:00", "docker://h ost/a",
        "docker:///-a", "docker:///a?b=c", "busybox", "docker:///a#x#y", "docker:///a\nb"}) {
    EXPECT_THROW(parse_image_reference(uri, kHub), std::invalid_argument) << uri;
  }
}

TEST(ImageReferences, WithAPasswordAreRefusedWithoutRepeatingIt) {
  try {
    parse_image_reference("docker://user:secret@host/image", kHub);
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos);
  }
}

TEST(ImageReferences, AreLoggedWithoutSecrets) {
  EXPECT_EQ(loggable_image_uri("docker://user:secret@host:1/image#tag"), "docker://host:1/image#tag");
  EXPECT_EQ(loggable_image_uri("docker:///image@sha256:00"), "docker:///image@sha256:00");
  EXPECT_EQ(loggable_image_uri("preloaded+layer:/base.tar?layer=https://store/x?signature=secret"),
            "preloaded+layer:/base.tar");
  EXPECT_EQ(loggable_image_uri("/base.tar"), "/base.tar");
}

TEST(Challenges, AreReadWithQuotesAndInLists) {
  const auto all = parse_challenges(
      R"(Basic realm="a, b", Bearer realm="https://auth/token",service="reg",scope="repository:x:pull,push", Other)");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].scheme, "basic");
  EXPECT_EQ(all[0].parameter("realm"), "a, b");
  EXPECT_EQ(all[1].scheme, "bearer");
  EXPECT_EQ(all[1].parameter("scope"), "repository:x:pull,push");
  EXPECT_EQ(all[1].parameter("absent"), "");
  EXPECT_EQ(all[2].scheme, "other");
}

TEST(Challenges, ThatAreBrokenEndQuietly) {
  for (const char* field : {"", ",,,", "Bearer realm=\"open", "=x", "Bearer realm=", "\"", "Bearer =\"\\"}) {
    EXPECT_LE(parse_challenges(field).size(), 1u) << field;
  }
}

TEST(Challenges, TokensMustFitIntoAHeader) {
  EXPECT_EQ(token_from(R"({"token":"abc"})"), "abc");
  EXPECT_EQ(token_from(R"({"access_token":"abc","token":""})"), "abc");
  EXPECT_FALSE(token_from(R"({"token":"a\r\nX: y"})"));
  EXPECT_FALSE(token_from(R"({"token":5})"));
  EXPECT_FALSE(token_from("no json"));
}

TestLayer a_layer() {
  TestTar tar;
  tar.file("file", "x");
  return test_layer(tar);
}

TEST(Manifests, AreReadInBothForms) {
  const auto image = test_image({a_layer(), a_layer()}, {"A=b", "broken", "=c"});
  const auto manifest = std::get<Manifest>(parse_manifest(image.manifest_type, image.manifest));
  EXPECT_EQ(manifest.layers.size(), 2u);
  const auto config = parse_image_config(image.blobs.at(manifest.config.digest));
  EXPECT_EQ(config.env, std::vector<std::string>{"A=b"});
  EXPECT_EQ(config.user, "vcap");
  EXPECT_EQ(config.working_directory, "/tmp");
  EXPECT_EQ(config.diff_ids.size(), 2u);
  const auto index = test_index(image);
  const auto entries = std::get<Index>(parse_manifest("", index.manifest));
  EXPECT_EQ(entry_for_this_machine(entries).digest, image.manifest_digest);
  // Docker's own types; the type in the header only.
  const std::string docker =
      R"({"schemaVersion":2,"config":{"digest":")" + manifest.config.digest +
      R"(","size":1},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip",)" + R"("digest":")" +
      manifest.layers[0].digest + R"(","size":3,"urls":["https://x/y"]}]})";
  const auto read =
      std::get<Manifest>(parse_manifest("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8", docker));
  EXPECT_EQ(read.layers[0].urls, std::vector<std::string>{"https://x/y"});
}

TEST(Manifests, ThatAreImpossibleAreRefused) {
  const auto digest = digest_of("x");
  std::string layers;
  for (std::size_t i = 0; i <= kMostLayers; ++i) {
    layers += std::string(i == 0 ? "" : ",") + R"({"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":")" +
              digest + R"(","size":1})";
  }
  const std::string config = R"("config":{"digest":")" + digest + R"(","size":1})";
  for (const std::string& text : std::vector<std::string>{
           std::string("[]"), std::string("{"), std::string("{}"), std::string(R"({"schemaVersion":1})"),
           std::string(R"({"manifests":5})"), R"({"config":{"digest":"sha256:../../etc/passwd","size":1},"layers":[]})",
           "{" + config + R"(,"layers":[{"digest":")" + digest + R"(","size":-1}]})",
           "{" + config + R"(,"layers":[{"mediaType":"application/x-chart","digest":")" + digest + R"(","size":1}]})",
           "{" + config + R"(,"layers":[)" + layers + "]}", "{" + config + R"(,"layers":[],"manifests":[]})",
           std::string(100'000, '[')}) {
    EXPECT_THROW(parse_manifest("", text), BadImage) << text.substr(0, 200);
  }
  EXPECT_THROW(entry_for_this_machine({}), BadImage);
}

TEST(Manifests, ChainIdsAreThoseOfTheSpecification) {
  const std::string one = "sha256:" + std::string(64, 'a'), two = "sha256:" + std::string(64, 'b');
  EXPECT_EQ(next_chain_id("", one), one);
  EXPECT_EQ(next_chain_id(one, two), digest_of(one + " " + two));
}

}  // namespace
}  // namespace rivera::garden
