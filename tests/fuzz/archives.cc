#include <algorithm>
#include <array>
#include <fcntl.h>
#include <stdexcept>
#include <unistd.h>

#include "base/files.h"
#include "executor/assets/archive.h"
#include "jail.h"
#include "tar_script.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

using executor::ArchiveFormat;

constexpr executor::ArchiveLimits kLimits{.bytes = 1u << 20, .entries = 200};
constexpr std::uint64_t kHeaders = (kLimits.entries + 8) * 8192;  // of a tar

// False if the archive was refused.
template <typename Work>
bool accepts(Work work) {
  try {
    work();
    return true;
  } catch (const std::runtime_error& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
    return false;
  }
}

// What was unpacked is packed and unpacked again.
void pack_again() {
  executor::make_tar_of("/inside", "/tar");
  const base::UniqueFd tar(::open("/tar", O_RDONLY | O_CLOEXEC));
  executor::extract_tar(tar.get(), "/again", kLimits);
  if (listing("/inside") != listing("/again")) broken("what is packed is unpacked as it was");
}

void unpack(int tar) {
  const bool is_accepted = accepts([&] { executor::extract_tar(tar, "/inside", kLimits); });
  check_outside("archive tar");
  const Usage usage = usage_of("/inside");
  if (usage.bytes > kLimits.bytes) broken("an archive fills no more than its limit");
  if (usage.has_nodes || usage.has_set_id) broken("no node and no set-id bit is taken over");
  if (is_accepted) pack_again();
}

void plain_tar(std::string_view script) {
  in_jail([&] {
    const base::UniqueFd archive(file_in_jail("archive", tar_of(script)));
    unpack(archive.get());
  });
}

void convert(ArchiveFormat format, std::string_view bytes) {
  const base::UniqueFd archive(file_in_jail("archive", bytes)), tar(file_in_jail("tar"));
  const bool is_accepted = accepts([&] { executor::make_plain_tar(format, archive.get(), tar.get(), kLimits); });
  const auto size = ::lseek(tar.get(), 0, SEEK_CUR);
  const bool is_gzip = format == ArchiveFormat::kGzip;
  if (static_cast<std::uint64_t>(size) > kLimits.bytes + (is_gzip ? 0 : kHeaders)) {
    broken("a conversion writes no more than its limit");
  }
  if (!is_accepted) return;
  ::lseek(tar.get(), 0, SEEK_SET);
  unpack(tar.get());
}

void gzip(std::string_view bytes) {
  in_jail([&] { convert(ArchiveFormat::kGzip, bytes); });
}
void zip(std::string_view bytes) {
  in_jail([&] { convert(ArchiveFormat::kZip, bytes); });
}

// As a download is treated: its first bytes say what it is.
void download(std::string_view bytes) {
  in_jail([&] {
    const base::UniqueFd archive(file_in_jail("archive", bytes));
    ArchiveFormat format{};
    if (!accepts([&] { format = executor::archive_format("/archive"); })) return;
    if (format == ArchiveFormat::kTar) return unpack(archive.get());
    convert(format, bytes);
  });
}

std::string first_of(std::string_view bytes, std::size_t piece) {
  executor::FirstTarEntry entry;
  std::string content;
  const bool is_accepted = accepts([&] {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
      content += entry.feed(bytes.substr(0, piece));
  });
  if (entry.complete() && !entry.found()) broken("a complete file was found");
  return content + (entry.found() ? "|found" : "") + (entry.complete() ? "|complete" : "") +
         (is_accepted ? "" : "|refused");
}

void first_entry(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::size_t piece = static_cast<unsigned char>(bytes.front()) + 1;
  const std::string tar = tar_of(bytes.substr(1));
  const std::string whole = first_of(tar, tar.size() + 1);
  if (first_of(tar, piece) != whole) broken("pieces make no difference");
  if (whole.size() > tar.size() + 32) broken("a file's content comes out of the archive");
}

constexpr std::array<Target, 5> kArchives = {plain_tar, gzip, zip, download, first_entry};

}  // namespace

void archives(std::string_view bytes) {
  if (bytes.empty()) return;
  kArchives[static_cast<unsigned char>(bytes.front()) % kArchives.size()](bytes.substr(1));
}

}  // namespace rivera::fuzz
