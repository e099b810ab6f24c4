// Downloads, uploads and their cache against a real HTTP server.
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/untrusted/confinement.h"
#include "executor/assets/archive.h"
#include "executor/steps/transfer_steps.h"
#include "executor/testing/testing_environment.h"
#include "net/crypto/digest.h"
#include "net/http/http_server.h"

namespace rivera::executor::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Serves one asset, as its fields say.
class AssetServer {
 public:
  explicit AssetServer(asio::any_io_executor executor)
      : server_(
            executor, {.address = "127.0.0.1:0", .tls = {}},
            [this](net::HttpExchange& exchange) { return serve(exchange); }, base::Logger::discard()) {
    server_.listen();
    server_.start();
  }
  std::string url(const std::string& path = "/asset") const { return "http://" + server_.address() + path; }
  asio::awaitable<void> stop() { return server_.stop(std::chrono::seconds(1)); }

  std::string content;
  std::string etag = "\"v1\"";
  int status = 200;
  int failures = 0;  // requests that get 500 before the others
  bool hangs = false;
  bool chunks = false;  // in the framing of an upstream BBS, with an extension after each size
  int requests = 0;
  int not_modified = 0;
  std::string uploaded;
  std::map<std::string, std::string> redirects = {{"/redirect", "/asset"}};  // path -> Location
  std::string last_target;
  net::Headers upload_headers;

 private:
  asio::awaitable<void> serve(net::HttpExchange& exchange) {
    ++requests;
    last_target = exchange.request().target;
    while (hangs) co_await base::sleep_for(std::chrono::milliseconds(2));
    net::HttpResponse response;
    response.status = status;
    if (failures > 0) {
      --failures;
      response.status = 500;
    } else if (exchange.request().method == "POST") {
      upload_headers = exchange.request().headers;
      uploaded = co_await exchange.read_body(1 << 20);
    } else if (const auto redirect = redirects.find(std::string(exchange.request().path()));
               redirect != redirects.end()) {
      response.status = 302;
      response.headers.set("Location", redirect->second);
    } else if (!etag.empty() && exchange.request().headers.get("If-None-Match") == etag) {
      ++not_modified;
      response.status = 304;
    } else if (status == 200) {
      if (!etag.empty()) response.headers.set("ETag", etag);
      response.body = content;
    }
    if (chunks) {
      co_await respond_in_chunks(exchange, std::move(response));
      co_return;
    }
    co_await exchange.respond(std::move(response));
  }

  static asio::awaitable<void> respond_in_chunks(net::HttpExchange& exchange, net::HttpResponse response) {
    response.headers.set("Transfer-Encoding", "chunked");
    auto stream = co_await exchange.take_over(static_cast<const net::ResponseHead&>(response));
    std::string framed;
    std::string_view rest = response.body;
    for (int i = 0; !rest.empty(); ++i) {
      const auto piece = rest.substr(0, 31);
      framed += fmt::format("{:x};{}\r\n{}\r\n", piece.size(), i % 2 == 0 ? "" : "a=b", piece);
      rest.remove_prefix(piece.size());
    }
    framed += "0;\r\n\r\n";
    co_await stream->write(framed);
  }

  net::HttpServer server_;
};

class DownloadTest : public StepTest {
 protected:
  DownloadTest() : server(loop.executor()) {
    fs::create_directories(directory.path() / "tree/sub");
    base::write_file_atomically(directory.path() / "tree/a.txt", "alpha");
    base::write_file_atomically(directory.path() / "tree/sub/run.sh", "#!/bin/sh\n", 0755);
    fs::create_symlink("a.txt", directory.path() / "tree/link");
    server.content = archive("tgz");
  }
  ~DownloadTest() override { loop.run(server.stop()); }

  std::string archive(const std::string& kind) {
    const auto tree = (directory.path() / "tree").string();
    const auto file = (directory.path() / ("asset." + kind)).string();
    fs::remove(file);
    if (kind == "zip") {
      base::must_run({"python3", "-c",
                      "import sys,zipfile,os\n"
                      "z=zipfile.ZipFile(sys.argv[1],'w')\n"
                      "z.write(sys.argv[2]+'/a.txt','a.txt')\n"
                      "z.write(sys.argv[2]+'/sub/run.sh','sub/run.sh')\n"
                      "z.close()",
                      file, tree});
    } else {
      base::must_run({"tar", kind == "tgz" ? "-czf" : "-cf", file, "-C", tree, "."});
    }
    return base::read_file(file);
  }
  FetchedFile fetch(DownloadRequest request) { return loop.run(downloader.fetch_file(std::move(request))); }
  FetchedDirectory fetch_directory(DownloadRequest request) {
    return loop.run(downloader.fetch_directory(std::move(request)));
  }
  std::string unpacked(const fs::path& tar, const std::string& name) {
    const auto out = directory.path() / "unpacked";
    fs::remove_all(out);
    ArchiveWorker(base::bin_dir()).extract(tar, out, {});
    return base::read_file(out / name);
  }
  std::size_t cached_files() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(directory.path() / "cache")) {
      const auto name = entry.path().filename();
      if (name != "temp" && name != DownloadCache::kStateFile) ++count;
    }
    return count;
  }
  DownloadRequest request(const std::string& key = "key") {
    return {.url = server.url(), .cache_key = key, .checksum = {}};
  }

  AssetServer server;
};

TEST_F(DownloadTest, ConvertsEveryFormatToAPlainTar) {
  for (const std::string kind : {"tar", "tgz", "zip"}) {
    server.content = archive(kind);
    const auto file = fetch(request(""));
    EXPECT_EQ(unpacked(file.path, "a.txt"), "alpha") << kind;
    EXPECT_EQ(unpacked(file.path, "sub/run.sh"), "#!/bin/sh\n") << kind;
    EXPECT_EQ(file.bytes, server.content.size());
  }
  server.content = "neither";
  EXPECT_THROW(fetch(request("")), std::runtime_error);
}

TEST_F(DownloadTest, ReadsBodiesInChunksWithExtensions) {
  server.chunks = true;
  const auto file = fetch(request(""));
  EXPECT_EQ(unpacked(file.path, "a.txt"), "alpha");
  EXPECT_EQ(file.bytes, server.content.size());
}

TEST_F(DownloadTest, RemovesAnUncachedFileWithItsLease) {
  auto file = fetch(request(""));
  EXPECT_TRUE(fs::exists(file.path));
  file.lease.reset();
  EXPECT_FALSE(fs::exists(file.path));
  EXPECT_EQ(cached_files(), 0u);
}

TEST_F(DownloadTest, AsksTheServerWhetherTheCachedVersionIsCurrent) {
  EXPECT_GT(fetch(request()).bytes, 0u);
  EXPECT_EQ(fetch(request()).bytes, 0u);
  EXPECT_EQ(server.not_modified, 1);
  EXPECT_EQ(cached_files(), 1u);

  server.etag = "\"v2\"";
  EXPECT_GT(fetch(request()).bytes, 0u);
  loop.settle();
  EXPECT_EQ(cached_files(), 1u);
}

TEST_F(DownloadTest, DoesNotCacheWhatCannotBeRevalidated) {
  server.etag = "";
  EXPECT_GT(fetch(request()).bytes, 0u);
  EXPECT_GT(fetch(request()).bytes, 0u);
  EXPECT_EQ(cached_files(), 0u);
  EXPECT_THROW(fetch_directory(request()), std::runtime_error);
  EXPECT_THROW(fetch_directory(request("")), std::runtime_error);
}

TEST_F(DownloadTest, KeepsADirectoryInsteadOfTheFileAndBack) {
  const auto unpacked_directory = fetch_directory(request());
  EXPECT_EQ(base::read_file(unpacked_directory.path / "a.txt"), "alpha");
  EXPECT_EQ(fs::read_symlink(unpacked_directory.path / "link"), "a.txt");
  EXPECT_EQ(cached_files(), 1u);
  const auto file = fetch(request());
  EXPECT_EQ(cached_files(), 2u);  // the directory is in use
  EXPECT_EQ(unpacked(file.path, "a.txt"), "alpha");
}

TEST_F(DownloadTest, KeepsAReplacedDirectoryUntilItsLastUserReleasesIt) {
  const auto old = fetch_directory(request());
  server.etag = "\"v2\"";
  const auto current = fetch_directory(request());
  EXPECT_NE(old.path, current.path);
  EXPECT_TRUE(fs::exists(old.path));
  loop.run(downloader.release_directory(old.path));
  EXPECT_FALSE(fs::exists(old.path));
  loop.run(downloader.release_directory(current.path));
  EXPECT_TRUE(fs::exists(current.path));
}

TEST_F(DownloadTest, OneFetchAtATimeForAKey) {
  server.hangs = true;
  base::TaskGroup group(loop.executor(), logger);
  std::vector<std::uint64_t> sizes;
  const auto fetch_one = [](CachedDownloader& from, DownloadRequest wanted,
                            std::vector<std::uint64_t>& into) -> asio::awaitable<void> {
    const auto file = co_await from.fetch_file(wanted);
    into.push_back(file.bytes);
  };
  group.spawn("a", fetch_one(downloader, request(), sizes));
  group.spawn("b", fetch_one(downloader, request(), sizes));
  loop.until([this] { return server.requests == 1; });
  loop.settle();
  EXPECT_EQ(server.requests, 1);
  server.hangs = false;
  loop.until([&] { return sizes.size() == 2; });
  EXPECT_EQ(sizes[1], 0u);
}

TEST_F(DownloadTest, LoadsTheCacheAfterARestart) {
  fetch(request("file"));
  const auto mounted = fetch_directory(request("directory"));
  std::ofstream(directory.path() / "cache/unknown") << "x";
  CachedDownloader later(loop.executor(), loop.workers(), clock, cache_options(directory.path() / "cache"), logger);
  loop.run(later.recover({mounted.path.string()}));
  EXPECT_FALSE(fs::exists(directory.path() / "cache/unknown"));
  EXPECT_EQ(loop.run(later.fetch_file(request("file"))).bytes, 0u);
  server.etag = "\"v2\"";
  loop.run(later.fetch_directory(request("directory")));
  EXPECT_TRUE(fs::exists(mounted.path)) << "a container has it mounted";
  loop.run(later.release_directory(mounted.path));
  EXPECT_FALSE(fs::exists(mounted.path));
}

TEST_F(DownloadTest, RetriesALimitedNumberOfTimes) {
  DownloaderOptions quick;
  quick.first_pause = std::chrono::milliseconds(1);
  Downloader once(loop.executor(), loop.workers(), quick);
  server.failures = 3;
  const auto path = directory.path() / "raw";
  EXPECT_EQ(loop.run(once.download(server.url(), path, {}, {})).bytes, server.content.size());
  EXPECT_EQ(server.requests, 4);
  server.status = 404;
  try {
    loop.run(once.download(server.url(), path, {}, {}));
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "Download failed: Status code 404");
  }
  EXPECT_EQ(server.requests, 8);
}

TEST_F(DownloadTest, FollowsRedirects) {
  EXPECT_GT(fetch({.url = server.url("/redirect"), .cache_key = "", .checksum = {}}).bytes, 0u);
}

TEST_F(DownloadTest, ResolvesARelativeLocation) {
  const auto target_of = [this](const std::string& location) {
    server.redirects = {{"/a/b/redirect", location}};
    fetch({.url = server.url("/a/b/redirect?old=1"), .cache_key = "", .checksum = {}});
    return server.last_target;
  };
  EXPECT_EQ(target_of("asset?x=1"), "/a/b/asset?x=1");
  EXPECT_EQ(target_of("../asset"), "/a/asset");
  EXPECT_EQ(target_of("./../../../asset"), "/asset");
  EXPECT_EQ(target_of("/asset/./c/../d#part"), "/asset/d");
  EXPECT_EQ(target_of("//" + server.url("/asset").substr(7)), "/asset");
  EXPECT_EQ(target_of(server.url("/other")), "/other");
}

TEST_F(DownloadTest, VerifiesTheChecksumOfTheBody) {
  for (const std::string algorithm : {"md5", "sha1", "sha256", "SHA256", "sha512"}) {
    const auto digest = net::hex_digest(net::parse_digest_algorithm(algorithm), server.content);
    EXPECT_GT(fetch({.url = server.url(), .cache_key = "", .checksum = {algorithm, digest}}).bytes, 0u) << algorithm;
  }
  const auto failure = [this](const std::string& algorithm, const std::string& value) -> std::string {
    const int before = server.requests;
    try {
      fetch({.url = server.url(), .cache_key = "", .checksum = {algorithm, value}});
    } catch (const ChecksumError& e) {
      EXPECT_LE(server.requests, before + 1);
      return e.what();
    }
    return "none";
  };
  const std::string zeros(32, '0');
  EXPECT_THAT(failure("md5", zeros),
              HasSubstr("Checksum failed: 'checksum mismatch', expected '" + zeros + "', got '\""));
  EXPECT_EQ(failure("md5", "zz"),
            "Checksum failed: 'checksum missing or invalid', expected 'a valid checksum', got 'zz'");
  EXPECT_EQ(failure("crc", zeros), "Checksum failed: 'algorithm invalid', expected '[md5, sha1, sha256]', got 'crc'");
}

TEST_F(DownloadTest, LeavesNothingOfAnArchiveThatCannotBeUnpacked) {
  const auto tree = directory.path() / "tree";
  fs::create_directories(tree / std::string(200, 'd') / "deep");
  server.content = archive("tgz");
  auto options = cache_options(directory.path() / "cache");
  options.archives.entries = 3;
  CachedDownloader strict(loop.executor(), loop.workers(), clock, std::move(options), logger);
  EXPECT_THROW(loop.run(strict.fetch_directory(request())), std::runtime_error);
  EXPECT_EQ(cached_files(), 1u);  // the tar itself
  EXPECT_TRUE(fs::is_empty(directory.path() / "cache/temp"));
  server.content = "neither";
  server.etag = "\"v2\"";
  EXPECT_THROW(loop.run(strict.fetch_directory(request())), std::runtime_error);
  EXPECT_TRUE(fs::is_empty(directory.path() / "cache/temp"));
}

TEST_F(DownloadTest, KeepsWhatItUnpacksFromItsUnpacker) {
  const auto fetched = fetch_directory(request());
  struct stat status {};
  ASSERT_EQ(::lstat((fetched.path / "a.txt").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, ::geteuid() == 0 ? base::kConfinedUser : ::geteuid());
  ASSERT_EQ(::lstat((directory.path() / "cache").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  // As a stream it belongs to root, as if it had never been unpacked.
  const auto file = fetch(request("key"));
  EXPECT_THAT(base::must_run({"tar", "--numeric-owner", "-tvf", file.path.string()}),
              ::testing::Not(HasSubstr(std::to_string(base::kConfinedUser))));
}

TEST_F(DownloadTest, LimitsWhatAnArchiveHoldsByTheRequest) {
  base::write_file_atomically(directory.path() / "tree/zeros", std::string(1 << 20, '\0'));
  server.content = archive("tgz");
  auto small = request("");
  small.most_bytes = 1000;
  try {
    fetch(small);
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "the archive is too large");
  }
  EXPECT_TRUE(fs::is_empty(directory.path() / "cache/temp"));
}

TEST_F(DownloadTest, RefusesALargeBodyWithoutARetry) {
  auto options = cache_options(directory.path() / "cache");
  options.downloader.max_bytes = 10;
  CachedDownloader strict(loop.executor(), loop.workers(), clock, std::move(options), logger);
  EXPECT_THROW(loop.run(strict.fetch_file(request())), DownloadTooLarge);
  EXPECT_EQ(server.requests, 1);
  EXPECT_TRUE(fs::is_empty(directory.path() / "cache/temp"));
}

// --- steps ---

class TransferActionTest : public DownloadTest {
 protected:
  models::DownloadAction download() {
    models::DownloadAction action;
    action.set_from(server.url());
    action.set_to("/home/vcap");
    action.set_user("vcap");
    action.set_artifact("droplet");
    action.set_cache_key("key");
    return action;
  }
  models::UploadAction upload() {
    models::UploadAction action;
    action.set_from("/out");
    action.set_to(server.url());
    action.set_user("vcap");
    action.set_artifact("thing");
    return action;
  }
};

TEST_F(TransferActionTest, StreamsTheTarIntoTheContainer) {
  EXPECT_TRUE(result_of(running(models::wrap(download()))).ok());
  const auto tar = directory.path() / "streamed.tar";
  std::ofstream(tar, std::ios::binary) << backend.streamed_in.at("guid:vcap:/home/vcap");
  EXPECT_EQ(unpacked(tar, "a.txt"), "alpha");
  EXPECT_TRUE(sink.has("APP OUT Downloading droplet..."));
  EXPECT_TRUE(sink.has("APP OUT Downloaded droplet (" + short_size(server.content.size()) + ")"));
}

TEST_F(TransferActionTest, HidesTheReasonOfAFailedDownloadFromTheUser) {
  auto action = download();
  action.set_checksum_algorithm("md5");
  action.set_checksum_value(std::string(32, '0'));
  const auto ended = result_of(running(models::wrap(std::move(action))));
  EXPECT_EQ(ended, StepResult::emittable("Downloading droplet failed"));
  EXPECT_TRUE(sink.has("APP ERR Downloading droplet failed"));
}

TEST_F(TransferActionTest, CancelsADownloadAtOnce) {
  server.hangs = true;
  auto& running_step = start(running(models::wrap(download())));
  loop.until([this] { return server.requests == 1; });
  running_step.interrupt();
  EXPECT_EQ(end(), StepResult::cancelled());
  EXPECT_EQ(downloads.free(), 5u);
  server.hangs = false;
}

TEST_F(TransferActionTest, PostsTheFirstFileWithItsDigests) {
  const auto tar = directory.path() / "out.tar";
  base::must_run({"tar", "-cf", tar.string(), "-C", (directory.path() / "tree").string(), "a.txt"});
  backend.files["/out"] = base::read_file(tar);
  EXPECT_TRUE(result_of(running(models::wrap(upload()))).ok());
  EXPECT_EQ(server.uploaded, "alpha");
  EXPECT_EQ(server.upload_headers.get("Content-Length"), "5");
  EXPECT_EQ(server.upload_headers.get("Content-Type"), "application/octet-stream");
  EXPECT_EQ(server.upload_headers.get("Content-MD5"), "LBdDo5EwX782ffjk8Gn5+Q==");
  EXPECT_THAT(server.upload_headers.get("Content-Digest"), HasSubstr("sha-256=:"));
  EXPECT_TRUE(sink.has("APP OUT Uploaded thing (5B)"));
  EXPECT_TRUE(fs::is_empty(directory.path() / "up"));
}

TEST_F(TransferActionTest, NamesTheStageAtWhichAnUploadFailed) {
  const auto ended = result_of(running(models::wrap(upload())));
  EXPECT_EQ(ended, StepResult::emittable("Failed to establish stream from container for thing"));
  EXPECT_TRUE(sink.has("APP ERR Failed to establish stream from container for thing"));
}

TEST_F(TransferActionTest, FailsAnUploadWithTheServersStatus) {
  const auto tar = directory.path() / "out.tar";
  base::must_run({"tar", "-cf", tar.string(), "-C", (directory.path() / "tree").string(), "a.txt"});
  backend.files["/out"] = base::read_file(tar);
  server.status = 500;
  EXPECT_EQ(result_of(running(models::wrap(upload()))).text, "Upload failed: Status code 500");
  EXPECT_EQ(server.requests, 3);
}

TEST_F(TransferActionTest, LimitsTheSizeOfAnUpload) {
  const auto tar = directory.path() / "out.tar";
  base::must_run({"tar", "-cf", tar.string(), "-C", (directory.path() / "tree").string(), "a.txt"});
  backend.files["/out"] = base::read_file(tar);
  limit_uploads(4);
  const auto ended = result_of(running(models::wrap(upload())));
  EXPECT_EQ(ended, StepResult::emittable("Failed to copy stream contents into temp file for thing"));
  EXPECT_EQ(server.requests, 0);
  EXPECT_TRUE(fs::is_empty(directory.path() / "up"));
}

TEST_F(TransferActionTest, LimitsAnUploadByTheContainersDisk) {
  const auto tar = directory.path() / "out.tar";
  base::must_run({"tar", "-cf", tar.string(), "-C", (directory.path() / "tree").string(), "a.txt"});
  backend.files["/out"] = base::read_file(tar);
  environment.container.disk_limit = 4;
  const auto ended = result_of(running(models::wrap(upload())));
  EXPECT_EQ(ended, StepResult::emittable("Failed to copy stream contents into temp file for thing"));
  EXPECT_EQ(server.requests, 0);
}

TEST(LoggableUrl, OmitsTheSecretParts) {
  EXPECT_EQ(loggable_url("https://user:secret@host:1/a@b?signature=secret#x"), "https://host:1/a@b");
  EXPECT_EQ(loggable_url("http://host/a"), "http://host/a");
  EXPECT_EQ(loggable_url("nonsense"), "nonsense");
}

TEST(ShortSize, HasOneDecimalAndAUnit) {
  EXPECT_EQ(short_size(512), "512B");
  EXPECT_EQ(short_size(1024), "1K");
  EXPECT_EQ(short_size(12'897'484), "12.3M");
  EXPECT_EQ(short_size(1'610'612'736), "1.5G");
}

}  // namespace
}  // namespace rivera::executor::testing
