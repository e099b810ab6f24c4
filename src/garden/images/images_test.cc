// Images from registries and layouts, mounted.
#include "garden/images/images.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "garden/testing/images_fixture.h"
#include "net/testing/test_certificates.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;
namespace api = clients::garden;

class ImagesTest : public ImagesFixture {};

TEST_F(ImagesTest, AnImageOfALayersIsTheirSum) {
  TestTar high;
  high.directory("./", 0711).file(".wh.gone", "").file("own", "high").file("dir/.wh..wh..opq", "").file("dir/new", "n");
  TestTar low;
  low.directory("./").file("gone", "x").file("own", "low").file("kept", "kept").file("dir/old", "o");
  registry_.add("latest", test_image({test_layer(low), layer("middle", "m", Compression::kZstd), test_layer(high)},
                                     {"PATH=/bin", "A=b"}));
  const Image image = create(registry_.uri("latest"));
  EXPECT_EQ(content(image, "kept"), "kept");
  EXPECT_EQ(content(image, "own"), "high");
  EXPECT_EQ(content(image, "middle"), "m");
  EXPECT_FALSE(fs::exists(image.root + "/gone"));
  EXPECT_FALSE(fs::exists(image.root + "/dir/old"));
  EXPECT_EQ(content(image, "dir/new"), "n");
  EXPECT_EQ(image.env, (std::vector<std::string>{"PATH=/bin", "A=b"}));
  EXPECT_EQ(image.size, 1 + 3 + 4 + 1 + 1 + 4 + 1u);
  struct stat info {};
  ASSERT_EQ(::stat(image.root.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0711u);
}

TEST_F(ImagesTest, AnIndexGivesTheImageForThisMachine) {
  const auto image = test_image({layer("file", "x")});
  registry_.add("image", image);
  registry_.add("latest", test_index(image));
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), "x");
}

TEST_F(ImagesTest, ADigestNamesOneManifestAlone) {
  const auto image = test_image({layer("file", "x")});
  registry_.add("latest", image);
  const std::string uri = "docker://" + registry_.address() + "/test/image@" + image.manifest_digest;
  EXPECT_EQ(content(create(uri), "file"), "x");
  registry_.manifests[image.manifest_digest] = test_image({layer("file", "other")});
  EXPECT_NE(failure_of(uri).find("digest"), std::string::npos);
}

TEST_F(ImagesTest, ALayerIsFetchedOnceForAllThatNeedIt) {
  const auto shared = layer("shared", std::string(1 << 20, 's'));
  registry_.add("one", test_image({shared, layer("one", "1")}));
  registry_.add("two", test_image({shared, layer("two", "2")}));
  int done = 0;
  std::vector<std::string> failures;
  for (int i = 0; i < 10; ++i) {
    asio::co_spawn(io_,
                   images_->create(request(registry_.uri(i % 2 == 0 ? "one" : "two"), "image-" + std::to_string(i))),
                   [&](std::exception_ptr e, const Image&) {
                     ++done;
                     if (e) failures.emplace_back("failed");
                   });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (done < 10 && std::chrono::steady_clock::now() < deadline) io_.run_one_for(std::chrono::seconds(1));
  EXPECT_EQ(done, 10);
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(registry_.count(shared.digest), 1u);
  EXPECT_EQ(layers_on_disk(), 3u);
}

TEST_F(ImagesTest, LayersAndImagesSurviveTheServer) {
  registry_.add("latest", test_image({layer("file", "x")}));
  create(registry_.uri("latest"));
  open();
  const auto before = registry_.count("/blobs/");
  EXPECT_EQ(content(create(registry_.uri("latest"), "second"), "file"), "x");
  EXPECT_EQ(registry_.count("/blobs/"), before + 1);  // the configuration, which is not kept
}

TEST_F(ImagesTest, ADownloadThatBreaksOffIsResumed) {
  TestTar tar;
  std::string noise;
  for (int i = 0; i < 200'000; ++i) noise += digest_of(std::to_string(i)).substr(7, 10);
  tar.file("file", noise);
  const auto big = test_layer(tar);
  registry_.add("latest", test_image({big}));
  int broken = 0;
  registry_.break_off = [&](const std::string& digest) -> std::int64_t {
    return digest == big.digest && broken++ < 3 ? 300'000 : -1;
  };
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), noise);
  EXPECT_EQ(registry_.count(big.digest), 4u);
  EXPECT_EQ(registry_.requests.back().headers.get("Range"), "bytes=900000-");
}

TEST_F(ImagesTest, WithoutRangesADownloadBeginsAgain) {
  const auto one = layer("file", std::string(3 << 20, 'x'), Compression::kNone);
  registry_.add("latest", test_image({one}));
  registry_.has_ranges = false;
  int broken = 0;
  registry_.break_off = [&](const std::string& digest) -> std::int64_t {
    return digest == one.digest && broken++ < 2 ? 2'000'000 : -1;
  };
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), std::string(3 << 20, 'x'));
}

TEST_F(ImagesTest, WhatIsOnlyBusyIsAskedAgain) {
  registry_.add("latest", test_image({layer("file", "x")}));
  int refused = 0;
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.target.find("/manifests/") == std::string::npos || refused++ >= 2) return std::nullopt;
    return net::text_response(refused == 1 ? 503 : 429, "busy");
  };
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), "x");
}

TEST_F(ImagesTest, EveryWrongByteIsFound) {
  const auto good = layer("file", "x"), other = layer("file", "y");
  const auto image = test_image({good});
  registry_.add("latest", image);
  // Another layer, of another and of the same length.
  registry_.blobs[good.digest] = other.blob + "more";
  EXPECT_NE(failure_of(registry_.uri("latest")).find("longer than the manifest says"), std::string::npos);
  std::string flipped = good.blob;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  registry_.blobs[good.digest] = flipped;
  EXPECT_NE(failure_of(registry_.uri("latest")).find("digest"), std::string::npos);
  registry_.blobs[good.digest] = good.blob;
  // A layer that is what the manifest says, and not what the configuration says.
  auto lying = good;
  lying.diff_id = other.diff_id;
  registry_.add("lying", test_image({lying}));
  EXPECT_NE(failure_of(registry_.uri("lying")).find("digest"), std::string::npos);
  // Another configuration, which the next server does not know.
  open();
  for (auto& [digest, bytes] : registry_.blobs) {
    if (bytes.starts_with("{")) bytes += " ";
  }
  EXPECT_NE(failure_of(registry_.uri("latest")), "");
  expect_nothing_half_made();
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(ImagesTest, DocumentsWithoutEndAreCutOff) {
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.target.find("/manifests/") == std::string::npos) return std::nullopt;
    return net::json_response(200, std::string(kMostManifestBytes + 1, ' '));
  };
  EXPECT_NE(failure_of(registry_.uri("latest")).find("more than"), std::string::npos);
}

TEST_F(ImagesTest, AnIndexOfItselfEnds) {
  const auto image = test_image({layer("file", "x")});
  auto index = test_index(image);
  // The registry answers every request with the index: its digest shows that it is not what was asked for.
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.target.find("/manifests/") == std::string::npos) return std::nullopt;
    return net::json_response(200, index.manifest);
  };
  EXPECT_NE(failure_of(registry_.uri("latest")), "");
  EXPECT_LE(registry_.count("/manifests/"), 5u);
}

TEST_F(ImagesTest, HostileLayersLeaveNothingBehind) {
  TestTar climbing, device;
  climbing.file("../../../escaped", "x");
  registry_.add("climbing", test_image({test_layer(climbing)}));
  EXPECT_NE(failure_of(registry_.uri("climbing")).find(".."), std::string::npos);
  TestLayer rubbish;
  rubbish.blob = std::string(100'000, 'r');
  rubbish.digest = rubbish.diff_id = digest_of(rubbish.blob);
  rubbish.media_type = "application/vnd.oci.image.layer.v1.tar";
  registry_.add("rubbish", test_image({rubbish}));
  EXPECT_NE(failure_of(registry_.uri("rubbish")), "");
  expect_nothing_half_made();
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(ImagesTest, AsManyLayersAsThereMayBeAreMounted) {
  std::vector<TestLayer> layers;
  for (std::size_t i = 0; i < kMostLayers; ++i) layers.push_back(layer("file-" + std::to_string(i), std::to_string(i)));
  registry_.add("latest", test_image(layers));
  const Image image = create(registry_.uri("latest"));
  EXPECT_EQ(content(image, "file-0"), "0");
  EXPECT_EQ(content(image, "file-499"), "499");
  layers.push_back(layer("one-more", "x"));
  registry_.add("more", test_image(layers));
  EXPECT_NE(failure_of(registry_.uri("more")).find("500 are the limit"), std::string::npos);
}

// --- credentials ---

TEST_F(ImagesTest, ATokenIsFetchedWithTheCredentialsAndUsed) {
  registry_.add("latest", test_image({layer("file", "x")}));
  user_ = "me";
  password_ = "s3cret";
  const std::string basic = "Basic " + base::to_base64("me:s3cret");
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.path() == "/token") {
      EXPECT_EQ(head.headers.get("Authorization"), basic);
      EXPECT_EQ(head.query_value("service"), "the registry");
      EXPECT_EQ(head.query_value("scope"), "repository:test/image:pull");
      return net::json_response(200, R"({"token":"t0ken"})");
    }
    if (head.path() == "/v2/" || head.headers.get("Authorization") == "Bearer t0ken") return std::nullopt;
    auto answer = net::text_response(401, "");
    answer.headers.set("WWW-Authenticate",
                       "Bearer realm=\"http://" + registry_.address() +
                           "/token\",service=\"the registry\",scope=\"repository:test/image:pull\"");
    return answer;
  };
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), "x");
  EXPECT_EQ(registry_.count("/token"), 1u);
}

TEST_F(ImagesTest, ARefusalSaysWhatMayBeWrongAndNoSecret) {
  user_ = "me";
  password_ = "s3cret";
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.path() == "/v2/") return std::nullopt;
    auto answer = net::text_response(401, "s3cret");
    answer.headers.set("WWW-Authenticate", "Basic realm=\"x\"");
    return answer;
  };
  const std::string failure = failure_of(registry_.uri("latest"));
  EXPECT_NE(failure.find("does not exist, or it needs other credentials"), std::string::npos) << failure;
  EXPECT_EQ(failure.find("s3cret"), std::string::npos);
  EXPECT_EQ(failure.find(base::to_base64("me:s3cret")), std::string::npos);
}

TEST_F(ImagesTest, CredentialsGoToNoOtherServer) {
  FakeRegistry store(io_.get_executor());
  const auto one = layer("file", "x");
  registry_.add("latest", test_image({one}));
  store.blobs[one.digest] = one.blob;
  user_ = "me";
  password_ = "s3cret";
  registry_.intercept = [&](const net::RequestHead& head) -> std::optional<net::HttpResponse> {
    if (head.headers.get("Authorization").empty() && head.path() != "/v2/") {
      auto answer = net::text_response(401, "");
      answer.headers.set("WWW-Authenticate", "Basic realm=\"x\"");
      return answer;
    }
    if (head.target.find(one.digest) == std::string::npos) return std::nullopt;
    auto answer = net::text_response(307, "");
    answer.headers.set("Location", "http://" + store.address() + "/x/blobs/" + one.digest + "?signature=abc");
    return answer;
  };
  EXPECT_EQ(content(create(registry_.uri("latest")), "file"), "x");
  ASSERT_EQ(store.requests.size(), 1u);
  EXPECT_FALSE(store.requests[0].headers.has("Authorization"));
  await(store.stop());
}

TEST_F(ImagesTest, RedirectsEnd) {
  registry_.intercept = [&](const net::RequestHead&) -> std::optional<net::HttpResponse> {
    auto answer = net::text_response(307, "");
    answer.headers.set("Location", "/v2/again");
    return answer;
  };
  EXPECT_NE(failure_of(registry_.uri("latest")).find("redirects too often"), std::string::npos);
  EXPECT_LT(registry_.requests.size(), 20u);
}

// --- trust ---

TEST_F(ImagesTest, ARegistryMustShowACertificateThatIsTrusted) {
  net::TestCertificates certificates;
  const auto& files = certificates.server();
  FakeRegistry secure(io_.get_executor(), net::TlsContext::server(files.certificate_file, files.key_file));
  secure.add("latest", test_image({layer("file", "x")}));
  options_.insecure_docker_registries.clear();
  options_.allow_registry_networks = {"127.0.0.1"};
  open();
  EXPECT_NE(failure_of(secure.uri("latest")), "");
  // Plain HTTP is not tried.
  registry_.add("latest", test_image({layer("file", "x")}));
  EXPECT_NE(failure_of(registry_.uri("latest")), "");
  EXPECT_TRUE(registry_.requests.empty());
  fs::create_directories(root_ + "/certs.d/" + secure.address());
  fs::copy_file(certificates.ca_file(), root_ + "/certs.d/" + secure.address() + "/ca.crt");
  open();
  EXPECT_EQ(content(create(secure.uri("latest")), "file"), "x");
  fs::remove_all(root_ + "/certs.d");
  options_.insecure_docker_registries = {secure.address()};
  open();
  EXPECT_EQ(content(create(secure.uri("latest"), "insecure"), "file"), "x");
  await(secure.stop());
}

// --- layouts ---

TEST_F(ImagesTest, AnOciLayoutAndItsArchiveAreImages) {
  const auto image = test_image({layer("file", "x"), layer("other", "y")}, {"A=b"});
  save_layout(root_ + "/layout", image, "v1");
  for (const std::string& uri : {"oci://" + root_ + "/layout#v1", "oci://" + root_ + "/layout"}) {
    const Image created = create(uri);
    EXPECT_EQ(content(created, "file") + content(created, "other"), "xy");
    EXPECT_EQ(created.env, std::vector<std::string>{"A=b"});
  }
  EXPECT_NE(failure_of("oci://" + root_ + "/layout#v2").find("no tag v2"), std::string::npos);
  EXPECT_NE(failure_of("oci://" + root_ + "/nowhere"), "");
  TestTar archive;
  for (const auto& entry : fs::recursive_directory_iterator(root_ + "/layout")) {
    if (entry.is_regular_file())
      archive.file(fs::relative(entry.path(), root_ + "/layout"), base::read_file(entry.path()));
  }
  archive.save(root_ + "/layout.tar");
  EXPECT_EQ(content(create("oci://" + root_ + "/layout.tar#v1"), "other"), "y");
}

TEST_F(ImagesTest, ALayerIsPutOnAPreloadedRootFileSystem) {
  TestTar base_tar, droplet;
  base_tar.directory("./")
      .directory("home")
      .with_owner(2000, 2000)
      .directory("home/vcap", 0700)
      .save(root_ + "/base.tar");
  droplet.file("./app/run", "program");
  const auto one = test_layer(droplet);
  registry_.blobs[one.digest] = one.blob;
  const auto uri = [&](const std::string& path, const std::string& digest) {
    return "preloaded+layer:" + root_ +
           "/base.tar?layer=" + net::percent_encode("http://" + registry_.address() + "/x/blobs/" + one.digest) +
           "&layer_path=" + path + "&layer_digest=" + digest;
  };
  const std::string hex = one.digest.substr(7);
  const Image image = create(uri("/home/vcap", hex));
  EXPECT_EQ(content(image, "home/vcap/app/run"), "program");
  struct stat info {};
  ASSERT_EQ(::stat((image.root + "/home/vcap").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 2000u);
  EXPECT_EQ(info.st_mode & 07777u, 0700u);
  EXPECT_NE(failure_of(uri("/home/other", hex)).find("base directory not found in parent layer"), std::string::npos);
  EXPECT_NE(failure_of(uri("/home/vcap", std::string(64, 'a'))).find("digest"), std::string::npos);
  EXPECT_NE(failure_of("preloaded+layer:" + root_ + "/base.tar?layer=x").find("no query parameter 'layer_path'"),
            std::string::npos);
}

// --- limits and cleaning ---

TEST_F(ImagesTest, ATotalLimitCountsTheImageAndAnExclusiveOneDoesNot) {
  registry_.add("latest", test_image({layer("file", std::string(4 << 20, 'x'))}));
  auto limited = request(registry_.uri("latest"));
  limited.disk.byte_hard = 6 << 20;
  EXPECT_EQ(await(images_->create(limited)).limit.bytes, std::uint64_t{2} << 20);
  limited.disk.exclusive_scope = true;
  const Image image = await(images_->create(limited));
  EXPECT_EQ(image.limit.bytes, std::uint64_t{6} << 20);
  EXPECT_EQ(await(images_->used_bytes(image)), 0u);
  { std::ofstream(image.root + "/written") << std::string(1 << 20, 'w'); }
  ::sync();
  EXPECT_GE(await(images_->used_bytes(image)), (std::uint64_t{1} << 20) - std::uint64_t{16} * 4096);
  { std::ofstream(image.root + "/too-much") << std::string(8 << 20, 'w'); }
  EXPECT_LT(fs::file_size(image.root + "/too-much"), 6u << 20);
  limited.disk = {};
  limited.disk.byte_hard = 3 << 20;
  limited.id = "other";
  EXPECT_THROW(await(images_->create(limited)), api::GardenError);
  fs::remove_all(root_ + "/state/images/other");
}

TEST_F(ImagesTest, ALayerThatGrowsBeyondTheLimitIsNotUnpacked) {
  registry_.add("latest", test_image({layer("file", std::string(64 << 20, '\0'))}));
  auto limited = request(registry_.uri("latest"));
  limited.disk.byte_hard = 8 << 20;
  try {
    await(images_->create(limited));
    FAIL() << "it was created";
  } catch (const api::GardenError& e) {
    EXPECT_NE(std::string(e.what()).find("uncompressed layer size exceeds quota"), std::string::npos) << e.what();
  }
  limited.disk.byte_hard = 100;
  try {
    await(images_->create(limited));
    FAIL() << "it was created";
  } catch (const api::GardenError& e) {
    EXPECT_NE(std::string(e.what()).find("layers exceed disk quota"), std::string::npos) << e.what();
  }
  expect_nothing_half_made();
}

TEST_F(ImagesTest, CleaningTakesWhatIsUnusedOldestFirst) {
  registry_.add("old", test_image({layer("file", std::string(1000, 'o'))}));
  registry_.add("new", test_image({layer("file", std::string(1000, 'n'))}));
  registry_.add("used", test_image({layer("file", std::string(1000, 'u'))}));
  create(registry_.uri("used"), "used");
  create(registry_.uri("old"), "a");
  create(registry_.uri("new"), "b");
  await(images_->destroy("a"));
  await(images_->destroy("b"));
  await(images_->clean(3000));
  EXPECT_EQ(layers_on_disk(), 3u);
  await(images_->clean(2500));
  EXPECT_EQ(layers_on_disk(), 2u);
  const auto before = registry_.count("/blobs/");
  create(registry_.uri("new"), "b");  // the newer one has stayed
  EXPECT_EQ(registry_.count("/blobs/"), before);
  await(images_->clean(0));
  EXPECT_EQ(layers_on_disk(), 2u);
  EXPECT_EQ(base::read_file(root_ + "/run/rootfs/used/file"), std::string(1000, 'u'));
  await(images_->destroy("b"));
  await(images_->clean(0));
  EXPECT_EQ(layers_on_disk(), 1u);
}

TEST_F(ImagesTest, WhatIsInUseStaysEvenIfItsRecordIsLost) {
  registry_.add("latest", test_image({layer("file", "x")}));
  const Image image = create(registry_.uri("latest"));
  fs::remove(root_ + "/state/images/image/image.json");
  await(images_->clean(0));
  EXPECT_EQ(content(image, "file"), "x");
}

}  // namespace
}  // namespace rivera::garden
