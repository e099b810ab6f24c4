// Tar streams into a container and out of it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/shim/fd.h"
#include "garden/shim/tar_create.h"
#include "garden/shim/tar_extract.h"
#include "garden/shim/tar_format.h"

namespace rivera::garden::shim {
namespace {

namespace fs = std::filesystem;

// An archive, header by header, right or wrong.
class RawTar {
 public:
  RawTar& entry(char type, const std::string& name, const std::string& content = "", const std::string& link = "") {
    return with_size(type, name, octal(content.size()), content, link);
  }
  // `size` is the field's text.
  RawTar& with_size(char type, const std::string& name, const std::string& size, const std::string& content = "",
                    const std::string& link = "") {
    TarHeader header{};
    std::memcpy(header.name, name.data(), std::min(name.size(), sizeof header.name));
    std::memcpy(header.mode, "0000700", 8);
    std::memcpy(header.size, size.data(), std::min(size.size(), sizeof header.size));
    header.type = type;
    std::memcpy(header.link_name, link.data(), std::min(link.size(), sizeof header.link_name));
    std::memcpy(header.magic, "ustar", 6);
    std::memset(header.checksum, ' ', sizeof header.checksum);
    unsigned sum = 0;
    for (const char c : std::string(reinterpret_cast<const char*>(&header), kTarBlock))
      sum += static_cast<unsigned char>(c);
    std::memcpy(header.checksum, octal(sum).substr(5).c_str(), 7);
    bytes_.append(reinterpret_cast<const char*>(&header), kTarBlock);
    bytes_ += content;
    bytes_.append((kTarBlock - content.size() % kTarBlock) % kTarBlock, '\0');
    return *this;
  }
  RawTar& pax(const std::string& records) { return entry(kTarPaxNext, "pax", records); }
  const std::string& bytes() const { return bytes_; }

 private:
  static std::string octal(std::size_t number) {
    char text[13];
    std::snprintf(text, sizeof text, "%011zo", number);
    return text;
  }
  std::string bytes_;
};

// A working directory of its own.
class TarStreams : public ::testing::Test {
 protected:
  void SetUp() override {
    inside_ = directory_.path() / "inside";
    fs::create_directory(inside_);
    fs::current_path(inside_);
  }
  void TearDown() override {
    fs::current_path("/");
    ::umask(mask_);
  }
  // The error's text; "" if there was none.
  std::string extract(const RawTar& tar) {
    const std::string file = directory_.path() / "archive";
    base::write_file_atomically(file, tar.bytes(), 0600);
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    try {
      extract_tar(fd.get());
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }

  base::TemporaryDirectory directory_{"rivera-tar-"};
  fs::path inside_;
  const mode_t mask_ = ::umask(0022);
};

TEST_F(TarStreams, DoNotChangeThroughALinkWhatTheyTookForADirectory) {
  const std::string outside = directory_.path() / "outside";
  fs::create_directory(outside);
  ::chmod(outside.c_str(), 0755);
  RawTar tar;
  tar.entry(kTarDirectory, "a").entry(kTarSymbolicLink, "a", "", "../outside");
  EXPECT_EQ(extract(tar), "");
  EXPECT_TRUE(fs::is_symlink("a"));
  EXPECT_EQ(fs::status(outside).permissions(), fs::perms(0755));
}

TEST_F(TarStreams, WithImpossibleSizesAreRefused) {
  const std::string huge = std::string("\x80\0\0\0", 4) + std::string(8, '\xff');
  RawTar header, pax, skipped;
  header.with_size(kTarRegular, "a", huge);
  pax.pax("29 size=18446744073709551615\n").entry(kTarRegular, "a");
  skipped.with_size(kTarDirectory, "a", huge).entry(kTarRegular, "b");
  for (const RawTar* tar : {&header, &pax, &skipped})
    EXPECT_NE(extract(*tar).find("malformed size"), std::string::npos);
  EXPECT_FALSE(fs::exists("b"));
}

TEST_F(TarStreams, WithASparseMapLongerThanTheFileAreRefused) {
  RawTar tar;
  tar.pax("22 GNU.sparse.major=1\n31 GNU.sparse.realsize=1000000\n")
      .entry(kTarRegular, "a")
      .entry(kTarRegular, "1\n0\n512\n");
  EXPECT_EQ(extract(tar), "a: malformed sparse map");
}

TEST_F(TarStreams, WithARecordThatHasNoEndAreRefused) {
  RawTar cut;
  cut.pax("7 path=12 path=abc\n").entry(kTarRegular, "a");
  EXPECT_EQ(extract(cut), "malformed extended header");
}

// Each prefix of a name is looked up: their length must not grow without bound.
TEST_F(TarStreams, WithNamesThatNoSystemHasAreRefused) {
  std::string name;
  while (name.size() < 300'000) name += "a/";
  RawTar tar;
  tar.entry(kTarGnuLongName, "long", name + '\0').entry(kTarRegular, "a");
  EXPECT_NE(extract(tar).find("member name too long"), std::string::npos);
}

TEST_F(TarStreams, HaveTimesThatFitTheHeader) {
  base::write_file_atomically("a", "text", 0600);
  const timespec times[2] = {{0, UTIME_NOW}, {std::int64_t{1} << 34, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, "a", times, 0), 0);
  const std::string file = directory_.path() / "out";
  const Fd out(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  create_tar("a", out.get());
  const std::string bytes = base::read_file(file);
  TarHeader header{};
  ASSERT_GE(bytes.size(), sizeof header);
  std::memcpy(&header, bytes.data(), sizeof header);
  EXPECT_EQ(std::string(header.mtime, 12), std::string("77777777777\0", 12));
}

}  // namespace
}  // namespace rivera::garden::shim
