// Archives that attack the machine which unpacks them, and those that do not.
#include "executor/assets/archive.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// What every script below starts with. `out` is a directory that archives try to reach.
constexpr const char* kPrelude = R"(
import io, sys, tarfile, zipfile
path, out = sys.argv[1], sys.argv[2]
def entry(name, kind=tarfile.REGTYPE, body=b'', link='', mode=0o644):
  e = tarfile.TarInfo(name)
  e.type, e.linkname, e.mode, e.size = kind, link, mode, len(body)
  t.addfile(e, io.BytesIO(body))
# A hard link that has a body, which tarfile does not write. Only after a pax header is the body taken for one.
def link_with_body(name, link, body):
  e = tarfile.TarInfo(name)
  e.type, e.linkname, e.size = tarfile.LNKTYPE, link, len(body)
  e.pax_headers = {'comment': 'x'}
  t.fileobj.write(e.tobuf(tarfile.PAX_FORMAT) + body.ljust(512, b'\0'))
)";

class ArchiveTest : public ::testing::Test {
 protected:
  ArchiveTest() {
    fs::create_directories(outside);
    base::write_file_atomically(outside / "victim", "untouched");
  }

  void make_tar(const std::string& script) {
    run_script("t = tarfile.open(path, 'w', format=tarfile.PAX_FORMAT)\n" + script + "\nt.close()\n");
  }
  void run_script(const std::string& script) {
    base::must_run({"python3", "-c", kPrelude + script, archive.string(), outside.string()});
  }
  // In this process: what holds an archive must not be its confinement alone.
  void extract(const ArchiveLimits& limits = {}) { extract_from(archive, limits); }
  void extract_from(const fs::path& tar, const ArchiveLimits& limits = {}) {
    fs::create_directories(target);
    const base::UniqueFd input(::open(tar.c_str(), O_RDONLY | O_CLOEXEC));
    extract_tar(input.get(), target, limits);
  }
  static void convert(const fs::path& from, const fs::path& to, const ArchiveLimits& limits = {}) {
    const base::UniqueFd input(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    const base::UniqueFd output(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    make_plain_tar(archive_format(from), input.get(), output.get(), limits);
  }
  std::string refusal(const ArchiveLimits& limits = {}) {
    try {
      extract(limits);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "unpacked";
  }
  void expect_nothing_outside() {
    EXPECT_EQ(base::read_file(outside / "victim"), "untouched");
    EXPECT_EQ(fs::hard_link_count(outside / "victim"), 1u);
    EXPECT_EQ(std::distance(fs::directory_iterator(outside), fs::directory_iterator()), 1);
  }

  base::TemporaryDirectory directory;
  fs::path archive = directory.path() / "archive";
  fs::path outside = directory.path() / "outside";
  fs::path target = directory.path() / "target";
};

TEST_F(ArchiveTest, DoesNotWriteThroughAHardLinkBelowASymbolicLink) {
  make_tar("entry('dir', tarfile.SYMTYPE, link=out)\nlink_with_body('grab', 'dir/victim', b'owned')");
  EXPECT_THAT(refusal(), HasSubstr("leads through a link"));
  expect_nothing_outside();
}

TEST_F(ArchiveTest, DoesNotWriteThroughAHardLinkToASymbolicLink) {
  make_tar("entry('to', tarfile.SYMTYPE, link=out + '/victim')\nlink_with_body('grab', 'to', b'owned')");
  EXPECT_THAT(refusal(), HasSubstr("hard link to it is refused"));
  expect_nothing_outside();
}

TEST_F(ArchiveTest, DoesNotLinkToAFileOutside) {
  for (const std::string name : {"out + '/victim'", "'../outside/victim'", "'/etc/passwd'"}) {
    fs::remove_all(target);
    make_tar("link_with_body('grab', " + name + ", b'owned')");
    EXPECT_NE(refusal(), "unpacked") << name;
    EXPECT_FALSE(fs::exists(target / "grab"));
  }
  expect_nothing_outside();
}

TEST_F(ArchiveTest, CreatesNothingBelowASymbolicLink) {
  const std::string link = "entry('dir', tarfile.SYMTYPE, link=out)\n";
  for (const std::string next : {"entry('dir/new', body=b'x')", "entry('dir/new', tarfile.DIRTYPE)",
                                 "entry('dir/new', tarfile.SYMTYPE, link='x')", "entry('dir/a/b', body=b'x')",
                                 "entry('dir/victim', body=b'x')"}) {
    fs::remove_all(target);
    make_tar(link + next);
    EXPECT_THAT(refusal(), HasSubstr("leads through a link")) << next;
  }
  expect_nothing_outside();
}

TEST_F(ArchiveTest, ReplacesALinkInsteadOfWritingThroughIt) {
  make_tar(
      "entry('file', tarfile.SYMTYPE, link=out + '/victim')\nentry('file', body=b'mine')\n"
      "entry('dir', tarfile.SYMTYPE, link=out)\nentry('dir', tarfile.DIRTYPE, mode=0o755)\nentry('dir/new', "
      "body=b'x')\n"
      "entry('again', body=b'x')\nentry('again', tarfile.SYMTYPE, link=out + '/victim')\nentry('again', body=b'y')");
  extract();
  EXPECT_EQ(base::read_file(target / "file"), "mine");
  EXPECT_EQ(base::read_file(target / "dir/new"), "x");
  EXPECT_EQ(base::read_file(target / "again"), "y");
  expect_nothing_outside();
}

TEST_F(ArchiveTest, ReplacesAHardLinkInsteadOfChangingTheOtherName) {
  make_tar("entry('a', body=b'first')\nentry('b', tarfile.LNKTYPE, link='a')\nentry('b', body=b'second')");
  extract();
  EXPECT_EQ(base::read_file(target / "a"), "first");
  EXPECT_EQ(base::read_file(target / "b"), "second");
}

TEST_F(ArchiveTest, TakesNamesRelativeToTheDirectory) {
  make_tar(
      "entry('/abs/file', body=b'a')\nentry('x/../../../up', body=b'b')\nentry('./', tarfile.DIRTYPE, mode=0o700)");
  extract();
  EXPECT_EQ(base::read_file(target / "abs/file"), "a");
  EXPECT_EQ(base::read_file(target / "up"), "b");
  EXPECT_FALSE(fs::exists(directory.path() / "up"));
}

TEST_F(ArchiveTest, KeepsLinksAsTheyAre) {
  make_tar(
      "entry('a', body=b'alpha')\nentry('b', tarfile.LNKTYPE, link='./a')\nentry('link', tarfile.SYMTYPE, "
      "link='/anywhere')");
  extract();
  EXPECT_EQ(fs::hard_link_count(target / "a"), 2u);
  EXPECT_EQ(fs::read_symlink(target / "link"), "/anywhere");
}

TEST_F(ArchiveTest, SkipsDevicesAndPipesAndSetuid) {
  make_tar(
      "entry('dev', tarfile.CHRTYPE)\nentry('block', tarfile.BLKTYPE)\nentry('pipe', tarfile.FIFOTYPE)\n"
      "entry('su', body=b'x', mode=0o6755)\nentry('dir', tarfile.DIRTYPE, mode=0o2755)");
  extract();
  for (const char* name : {"dev", "block", "pipe"}) EXPECT_FALSE(fs::exists(fs::symlink_status(target / name))) << name;
  EXPECT_EQ(fs::status(target / "su").permissions(), fs::perms(0755));
  EXPECT_EQ(fs::status(target / "dir").permissions(), fs::perms(0755));
}

TEST_F(ArchiveTest, FillsADirectoryThatIsReadOnly) {
  make_tar("entry('dir', tarfile.DIRTYPE, mode=0o555)\nentry('dir/file', body=b'x')");
  extract();
  EXPECT_EQ(base::read_file(target / "dir/file"), "x");
  EXPECT_EQ(fs::status(target / "dir").permissions(), fs::perms(0555));
}

TEST_F(ArchiveTest, RefusesDeepNesting) {
  make_tar("entry('d/' * 300 + 'file', body=b'x')");
  EXPECT_THAT(refusal(), HasSubstr("too many directories"));
}

TEST_F(ArchiveTest, RefusesMoreEntriesOrBytesThanTheLimits) {
  make_tar("for i in range(20): entry('f%d' % i, body=b'x' * 100)");
  EXPECT_THAT(refusal({.bytes = 1 << 20, .entries = 19}), HasSubstr("too many entries"));
  EXPECT_THAT(refusal({.bytes = 1999, .entries = 20}), HasSubstr("too large"));
  EXPECT_EQ(refusal({.bytes = 2000, .entries = 20}), "unpacked");
}

TEST_F(ArchiveTest, CountsTheHolesOfASparseFile) {
  fs::create_directories(directory.path() / "in");
  std::ofstream(directory.path() / "in/sparse") << "x";
  fs::resize_file(directory.path() / "in/sparse", std::uint64_t{1} << 40);
  base::must_run({"tar", "-cSf", archive.string(), "-C", (directory.path() / "in").string(), "sparse"});
  EXPECT_THAT(refusal(), HasSubstr("too large"));
  EXPECT_EQ(refusal({.bytes = std::uint64_t{1} << 41}), "unpacked");
  EXPECT_EQ(fs::file_size(target / "sparse"), std::uint64_t{1} << 40);
  struct stat status {};
  ASSERT_EQ(::stat((target / "sparse").c_str(), &status), 0);
  EXPECT_LT(status.st_blocks, 1000);
}

TEST_F(ArchiveTest, RefusesABombOfEachFormat) {
  const auto tar = directory.path() / "plain.tar";
  const ArchiveLimits limits{.bytes = 1 << 20, .entries = 100};
  const auto refused = [&] {
    try {
      convert(archive, tar, limits);
    } catch (const std::runtime_error& e) {
      return std::string(e.what());
    }
    return std::string("converted");
  };
  run_script("t = tarfile.open(path, 'w:gz')\nentry('zeros', body=bytes(4 << 20))\nt.close()");
  EXPECT_THAT(refused(), HasSubstr("too large"));
  run_script("z = zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED)\nz.writestr('zeros', bytes(4 << 20))\nz.close()");
  EXPECT_THAT(refused(), HasSubstr("too large"));
  run_script("z = zipfile.ZipFile(path, 'w')\nfor i in range(101): z.writestr('f%d' % i, b'')\nz.close()");
  EXPECT_THAT(refused(), HasSubstr("too many entries"));
  EXPECT_LT(fs::exists(tar) ? fs::file_size(tar) : 0, 2u << 20);
}

TEST_F(ArchiveTest, DoesNotPadAFileThatIsCutShort) {
  run_script(
      "import struct\nz = zipfile.ZipFile(path, 'w')\nz.writestr('f', b'x' * 1000)\nz.close()\n"
      "b = bytearray(open(path, 'rb').read())\ncentral = b.index(b'PK\\1\\2')\n"
      "struct.pack_into('<II', b, 18, 1 << 30, 1 << 30)\nstruct.pack_into('<II', b, central + 20, 1 << 30, 1 << 30)\n"
      "open(path, 'wb').write(b)");
  const auto tar = directory.path() / "plain.tar";
  EXPECT_THROW(convert(archive, tar), std::runtime_error);
  EXPECT_LT(fs::file_size(tar), 1u << 20);
}

TEST_F(ArchiveTest, DoesNotMultiplyAFileByItsHardLinks) {
  make_tar(
      "entry('d/a', body=b'x' * 100000)\nfor i in range(50): entry('d/l%d' % i, tarfile.LNKTYPE, link='d/a')\n"
      "entry('link', tarfile.SYMTYPE, link=out)");
  extract();
  EXPECT_LT(make_tar_of(target, archive), 300'000u);
  fs::remove_all(target);
  extract();
  EXPECT_EQ(fs::hard_link_count(target / "d/a"), 51u);
  EXPECT_EQ(fs::file_size(target / "d/l49"), 100'000u);
  EXPECT_EQ(fs::read_symlink(target / "link"), outside);
}

TEST_F(ArchiveTest, KeepsNamesThatAreNotAscii) {
  const auto tar = directory.path() / "plain.tar";
  const auto unpacked = [&] {
    fs::remove_all(target);
    const bool is_plain = archive_format(archive) == ArchiveFormat::kTar;
    if (!is_plain) convert(archive, tar);
    extract_from(is_plain ? archive : tar);
    return fs::exists(target / "grüße.txt");
  };
  make_tar("entry('grüße.txt', body=b'x')");
  EXPECT_TRUE(unpacked());
  run_script("z = zipfile.ZipFile(path, 'w')\nz.writestr('grüße.txt', b'x')\nz.close()");
  EXPECT_TRUE(unpacked());
  make_tar_of(target, tar);
  fs::remove_all(target);
  extract_from(tar);
  EXPECT_TRUE(fs::exists(target / "grüße.txt"));
}

TEST_F(ArchiveTest, FindsTheFirstFileWhateverItsNameLooksLike) {
  make_tar(
      "entry('dir', tarfile.DIRTYPE)\n"
      "entry('n' * 120 + ' size=1', body=b'whole content')");
  FirstTarEntry first;
  EXPECT_EQ(first.feed(base::read_file(archive)), "whole content");
  EXPECT_TRUE(first.complete());
}

}  // namespace
}  // namespace rivera::executor
