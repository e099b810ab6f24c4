#include "garden/images/disk_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/loop.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/ids.h"
#include "base/process/subprocess.h"
#include "base/units.h"
#include "garden/images/mount_points.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kBlock = 4096;
// For our own directories and files.
constexpr std::uint64_t kOwnBlocks = 12, kOwnInodes = 10, kReservedInodes = 11;
constexpr std::uint64_t kLeastBytes = 256 * base::kKibibyte;  // docs/spec/garden.md §4.5
constexpr std::uint64_t kMostBytes = 1ull << 43;              // 8 TiB: a file of the host's disk holds no more
constexpr std::size_t kMostTemplates = 64;
constexpr unsigned kLoopMajor = 7;
constexpr std::uint32_t kShutDownAtOnce = 2;  // EXT4_GOING_FLAGS_NOLOGFLUSH

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

// Blocks that the kernel holds back for its own use while the file system is mounted.
std::uint64_t held_back(std::uint64_t blocks) { return std::min<std::uint64_t>(blocks / 50, 4096); }

void run_mkfs(const std::string& file, std::uint64_t blocks, std::uint64_t inodes) {
  const base::UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(blocks * kBlock)) != 0) fail("make " + file);
  base::CommandOptions options;
  options.variables = {{"MKE2FS_CONFIG", "/dev/null"}, {"PATH", "/usr/sbin:/sbin:/usr/bin:/bin"}};
  base::must_run(
      {"mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-m", "0", "-N", std::to_string(inodes), "-O",
       "none,extent,64bit,dir_index,dir_nlink,extra_isize,filetype,flex_bg,large_file,uninit_bg,sparse_super2", "-E",
       "lazy_itable_init=1,nodiscard,num_backup_sb=0", file},
      options);
}

// From the superblock (the kernel's documentation, filesystems/ext4).
std::uint64_t free_blocks(const std::string& file) {
  std::array<unsigned char, 1024> block{};
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || ::pread(fd.get(), block.data(), block.size(), 1024) != static_cast<ssize_t>(block.size())) fail(file);
  const auto number = [&block](std::size_t at) {
    return static_cast<std::uint64_t>(block[at]) | static_cast<std::uint64_t>(block[at + 1]) << 8 |
           static_cast<std::uint64_t>(block[at + 2]) << 16 | static_cast<std::uint64_t>(block[at + 3]) << 24;
  };
  return number(0x0C) | number(0x158) << 32;
}

std::uint64_t blocks_for(const DiskLimit& limit) { return (std::max(limit.bytes, kLeastBytes) + kBlock - 1) / kBlock; }

// Copies what is not a hole.
void copy_sparse(const std::string& from, const std::string& to) {
  const base::UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!source || ::fstat(source.get(), &info) != 0) fail("open " + from);
  const base::UniqueFd target(::open(to.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!target || ::ftruncate(target.get(), info.st_size) != 0) fail("make " + to);
  std::vector<char> buffer(64 * base::kKibibyte);
  for (off_t at = ::lseek(source.get(), 0, SEEK_DATA); at >= 0; at = ::lseek(source.get(), at, SEEK_DATA)) {
    const off_t end = ::lseek(source.get(), at, SEEK_HOLE);
    if (end < 0) fail(from);
    while (at < end) {
      const auto wanted = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at));
      const ssize_t n = ::pread(source.get(), buffer.data(), wanted, at);
      if (n <= 0 || ::pwrite(target.get(), buffer.data(), static_cast<std::size_t>(n), at) != n) fail("write " + to);
      at += n;
    }
  }
  if (errno != ENXIO) fail(from);
}

// A free loop device with the file behind it. Another program may be quicker than we are.
base::UniqueFd attach(const std::string& file, std::string& device) {
  const base::UniqueFd backing(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  const base::UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!backing) fail("open " + file);
  if (!control) fail("open /dev/loop-control: disk limits need loop devices");
  for (int attempt = 0; attempt < 200; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) fail("find a loop device");
    device = "/dev/loop" + std::to_string(number);
    base::UniqueFd loop(::open(device.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop) {
      if (errno == ENOENT || errno == ENXIO) {
        ::usleep(1000);  // its node is being made
        continue;
      }
      fail("open " + device);
    }
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(backing.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    std::strncpy(reinterpret_cast<char*>(config.info.lo_file_name), file.c_str(), LO_NAME_SIZE - 1);
    if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY) fail("set up " + device);
  }
  throw std::runtime_error("no loop device is free");
}

}  // namespace

DiskFiles::DiskFiles(std::string templates) : templates_(std::move(templates)) {}

std::string DiskFiles::template_for(const DiskLimit& limit) const {
  const std::uint64_t needed = blocks_for(limit) + kOwnBlocks;
  std::string path = templates_ + "/" + std::to_string(needed) + "-" + std::to_string(limit.inodes) + ".ext4";
  if (fs::exists(path)) {
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    return path;
  }
  const std::string draft = path + "." + base::new_guid();
  try {
    // The inodes' tables and the kernel's share come on top of what is asked for; how much is known afterwards.
    std::uint64_t blocks = needed + needed / 14 + 64;
    for (int attempt = 0;; ++attempt) {
      const std::uint64_t most_inodes = std::min<std::uint64_t>(blocks, 0xf0000000);
      const std::uint64_t inodes =
          limit.inodes == 0 ? most_inodes : std::min(limit.inodes + kOwnInodes + kReservedInodes, most_inodes);
      run_mkfs(draft, blocks, inodes);
      const std::uint64_t usable = free_blocks(draft) - std::min(free_blocks(draft), held_back(blocks));
      const bool is_close = usable >= needed && usable - needed <= std::max<std::uint64_t>(2, needed / 2000);
      if (is_close || (attempt >= 4 && usable >= needed)) break;
      if (attempt >= 8)
        throw std::runtime_error("cannot make a file system for " + std::to_string(limit.bytes) + " bytes");
      blocks = usable < needed ? blocks + (needed - usable) : blocks - (usable - needed);
    }
  } catch (...) {
    ::unlink(draft.c_str());
    throw;
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) fail("keep a template");
  forget_old_templates();
  return path;
}

void DiskFiles::forget_old_templates() const {
  std::vector<std::pair<fs::file_time_type, fs::path>> templates;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(templates_, ec)) {
    if (entry.path().extension() == ".ext4") templates.emplace_back(entry.last_write_time(ec), entry.path());
  }
  if (templates.size() <= kMostTemplates) return;
  std::ranges::sort(templates);
  templates.resize(templates.size() - kMostTemplates);
  for (const auto& [time, path] : templates) fs::remove(path, ec);
}

void DiskFiles::create(const std::string& file, const DiskLimit& limit) const {
  if (limit.bytes > kMostBytes) throw std::runtime_error("a disk limit of more than 8 TiB is not supported");
  for (int attempt = 0;; ++attempt) {
    const std::string model = template_for(limit);
    try {
      return copy_sparse(model, file);
    } catch (const std::system_error& e) {
      // Another thread may have forgotten the template.
      if (e.code().value() != ENOENT || attempt == 3) throw;
    }
  }
}

void DiskFiles::mount(const std::string& file, const std::string& mount_point) {
  std::string device;
  const base::UniqueFd loop = attach(file, device);
  if (::mount(device.c_str(), mount_point.c_str(), "ext4", MS_NOATIME | MS_NODEV | MS_NOSUID,
              "noinit_itable,barrier=0,errors=continue") != 0) {
    fail("mount a container's disk");
  }
}

void DiskFiles::unmount(const std::string& mount_point) {
  while (is_mount_point(mount_point)) {
    const base::UniqueFd top(::open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    std::uint32_t how = kShutDownAtOnce;
    // Of a loop device only: another file system would be lost.
    if (top && ::fstat(top.get(), &info) == 0 && major(info.st_dev) == kLoopMajor)
      ::ioctl(top.get(), _IOR('X', 125, std::uint32_t), &how);
    if (::umount2(mount_point.c_str(), MNT_DETACH) != 0) fail("unmount " + mount_point);
  }
}

std::uint64_t DiskFiles::used_bytes(const std::string& mount_point, const DiskLimit& limit) {
  struct statfs info {};
  if (::statfs(mount_point.c_str(), &info) != 0) fail("statfs " + mount_point);
  const std::uint64_t whole = blocks_for(limit) * kBlock;
  const auto left = static_cast<std::uint64_t>(info.f_bavail) * static_cast<std::uint64_t>(info.f_bsize);
  return left >= whole ? 0 : whole - left;
}

}  // namespace rivera::garden
