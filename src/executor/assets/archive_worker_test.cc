#include "executor/assets/archive_worker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "base/untrusted/confinement.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ArchiveWorkerTest : public ::testing::Test {
 protected:
  // `script` fills the tar `t`, or writes to `path` itself.
  void make(const std::string& script) {
    base::must_run({"python3", "-c",
                    "import io, sys, tarfile, zipfile\npath = sys.argv[1]\n"
                    "def entry(name, body=b'', kind=tarfile.REGTYPE, mode=0o644):\n"
                    "  e = tarfile.TarInfo(name)\n  e.type, e.mode, e.size = kind, mode, len(body)\n"
                    "  t.addfile(e, io.BytesIO(body))\n" +
                        script,
                    archive.string()});
  }
  std::string failure(const std::function<void()>& work) {
    try {
      work();
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "none";
  }

  base::TemporaryDirectory directory;
  fs::path archive = directory.path() / "archive";
  fs::path tar = directory.path() / "plain.tar";
  fs::path target = directory.path() / "target";
  ArchiveWorker worker{base::bin_dir()};
  ArchiveLimits limits{.bytes = 1 << 20, .entries = 100};
};

TEST_F(ArchiveWorkerTest, UnpacksEachKindWithNamesInUtf8) {
  for (const std::string script : {"t = tarfile.open(path, 'w')\nentry('a/grüße', b'x')\nt.close()",
                                   "t = tarfile.open(path, 'w:gz')\nentry('a/grüße', b'x')\nt.close()",
                                   "z = zipfile.ZipFile(path, 'w')\nz.writestr('a/grüße', b'x')\nz.close()"}) {
    fs::remove_all(target);
    make(script);
    EXPECT_GT(worker.make_plain_tar(archive, tar, limits), 0u);
    worker.extract(tar, target, limits);
    EXPECT_EQ(base::read_file(target / "a/grüße"), "x") << script;
  }
}

TEST_F(ArchiveWorkerTest, WritesAsAnUnprivilegedUserWithoutSetuid) {
  make("t = tarfile.open(path, 'w')\nentry('tool', b'x', mode=0o6755)\nt.close()");
  worker.extract(archive, target, limits);
  struct stat status {};
  ASSERT_EQ(::stat((target / "tool").c_str(), &status), 0);
  EXPECT_NE(status.st_uid, 0u);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
}

TEST_F(ArchiveWorkerTest, SaysWhatIsWrongWithAnArchive) {
  make("t = tarfile.open(path, 'w:gz')\nentry('zeros', bytes(4 << 20))\nt.close()");
  EXPECT_EQ(failure([&] { worker.make_plain_tar(archive, tar, limits); }), "the archive is too large");
  make("t = tarfile.open(path, 'w')\nfor i in range(101): entry('f%d' % i)\nt.close()");
  EXPECT_EQ(failure([&] { worker.extract(archive, target, limits); }), "the archive has too many entries");
  make("open(path, 'w').write('neither')");
  EXPECT_EQ(failure([&] { worker.make_plain_tar(archive, tar, limits); }), "unknown archive format");
  make("open(path, 'w')");
  EXPECT_EQ(failure([&] { worker.make_plain_tar(archive, tar, limits); }), "EOF");
}

TEST_F(ArchiveWorkerTest, ReportsAProgramThatIsMissing) {
  make("t = tarfile.open(path, 'w')\nt.close()");
  EXPECT_THAT(failure([&] { ArchiveWorker(directory.path()).extract(archive, target, limits); }),
              HasSubstr("archive-worker"));
}

}  // namespace
}  // namespace rivera::executor
