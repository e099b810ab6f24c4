#include "cluster/prepare/rootfs.h"

#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "cluster/prepare/preflight.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr char kVersion[] = "1";  // of the tree made here: a change makes every machine rebuild it
constexpr unsigned kVcap = 2000;

fs::path find_busybox() {
  for (const char* path : {"/bin/busybox", "/usr/bin/busybox"}) {
    if (fs::exists(path)) return path;
  }
  throw Problem("busybox is missing: install the package busybox-static");
}

std::string stamp_of(const fs::path& busybox) {
  struct stat info {};
  ::stat(busybox.c_str(), &info);
  return fmt::format("{} {} {}\n", kVersion, info.st_size, info.st_mtim.tv_sec);
}

void make_directory(const fs::path& path, unsigned mode) {
  fs::create_directories(path);
  ::chmod(path.c_str(), mode);
}

void make_users(const fs::path& root) {
  const auto etc = root / "etc";
  base::write_file_atomically(etc / "passwd",
                              "root:x:0:0:root:/root:/bin/sh\n"
                              "vcap:x:2000:2000:vcap:/home/vcap:/bin/sh\n"
                              "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
  base::write_file_atomically(etc / "group", "root:x:0:\nvcap:x:2000:\nnogroup:x:65534:\n");
  base::write_file_atomically(etc / "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  base::write_file_atomically(etc / "profile", "export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n");
  base::write_file_atomically(etc / "hosts", "127.0.0.1 localhost\n");
  base::write_file_atomically(etc / "resolv.conf", "");
  base::write_file_atomically(etc / "stack-version", fmt::format("{}\n", kVersion));
  make_directory(root / "home" / "vcap", 0755);
  if (::chown((root / "home" / "vcap").c_str(), kVcap, kVcap) != 0) throw Problem("cannot give files to user 2000");
}

void make_tree(const fs::path& root, const fs::path& busybox) {
  for (const char* name : {"bin", "sbin", "usr/bin", "usr/sbin", "etc", "proc", "sys", "dev", "var", "home", "opt"}) {
    make_directory(root / name, 0755);
  }
  make_directory(root / "root", 0700);
  make_directory(root / "tmp", 01777);
  make_directory(root / "var" / "tmp", 01777);
  ::chmod(root.c_str(), 0755);
  fs::copy_file(busybox, root / "bin" / "busybox");
  ::chmod((root / "bin" / "busybox").c_str(), 0755);
  std::istringstream applets(base::must_run({busybox.string(), "--list-full"}));
  for (std::string applet; std::getline(applets, applet);) {
    const fs::path link = root / applet;
    if (applet.empty() || fs::exists(fs::symlink_status(link))) continue;
    fs::create_directories(link.parent_path());
    fs::create_symlink("/bin/busybox", link);
  }
  make_users(root);
}

}  // namespace

void make_rootfs(const Settings& settings) {
  const fs::path busybox = find_busybox();
  const fs::path tar = settings.rootfs_tar();
  const fs::path stamp_file = tar.string() + ".stamp";
  const std::string stamp = stamp_of(busybox);
  if (fs::exists(tar) && fs::exists(stamp_file) && base::read_file(stamp_file) == stamp) return;
  const base::TemporaryDirectory directory("rivera-rootfs-");
  make_tree(directory.path(), busybox);
  const std::string unfinished = tar.string() + ".new";
  base::must_run({"tar", "--numeric-owner", "--sort=name", "-C", directory.path().string(), "-cf", unfinished, "."});
  fs::rename(unfinished, tar);
  base::write_file_atomically(stamp_file, stamp);
}

void pack_sample(const Settings& settings, const fs::path& samples_dir) {
  const fs::path source = samples_dir / "hello";
  if (!fs::exists(source)) throw Problem("the sample application is missing: " + source.string());
  const fs::path package = settings.static_dir() / "sample" / "hello.tgz";
  fs::create_directories(package.parent_path());
  const std::string unfinished = package.string() + ".new";
  base::must_run({"tar", "--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@0", "-C",
                  source.string(), "-czf", unfinished, "."});
  fs::rename(unfinished, package);
}

void place_healthcheck(const Settings& settings) {
  const fs::path source = settings.bin_dir / "healthcheck";
  if (!fs::exists(source)) throw Problem(source.string() + " is missing: run ./run, which builds it");
  fs::create_directories(settings.healthcheck_dir());
  const fs::path unfinished = settings.healthcheck_dir().string() + ".new";
  fs::copy_file(source, unfinished, fs::copy_options::overwrite_existing);
  ::chmod(unfinished.c_str(), 0755);
  fs::rename(unfinished, settings.healthcheck_dir() / "healthcheck");
}

}  // namespace rivera::cluster
