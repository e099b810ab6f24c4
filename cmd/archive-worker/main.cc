// Reads one hostile archive (src/executor/assets/archive_worker.h): its standard input is the archive, descriptor 3 the
// directory to fill, or the file to write. Standard error gets the reason for a failure.
#include <charconv>
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iconv.h>
#include <stdexcept>
#include <string_view>
#include <sys/stat.h>

#include "base/untrusted/confinement.h"
#include "executor/assets/archive.h"

namespace {

namespace executor = rivera::executor;

constexpr int kInput = 0;
constexpr int kOutput = 3;
constexpr std::uint64_t kMemory = std::uint64_t{1} << 30;
constexpr std::uint64_t kHeaders = std::uint64_t{1} << 30;  // of a tar, beside the content of its files

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) throw std::invalid_argument("not a number");
  return value;
}

// Loads what the conversion of names needs while its files can still be read.
void prepare_names() {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  const auto converter = ::iconv_open("UTF-8", "UTF-8");
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the failure that iconv_open documents
  if (converter != reinterpret_cast<iconv_t>(-1)) ::iconv_close(converter);
}

void run(std::string_view task, const rivera::base::Confinement& confinement, const executor::ArchiveLimits& limits) {
  prepare_names();
  rivera::base::confine_process(confinement);
  ::umask(022);
  if (task == "extract") {
    executor::extract_tar(kInput, ".", limits);
  } else {
    const auto format = task == "gunzip" ? executor::ArchiveFormat::kGzip : executor::ArchiveFormat::kZip;
    executor::make_plain_tar(format, kInput, kOutput, limits);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 5) throw std::invalid_argument("usage: archive-worker gunzip|unzip|extract USER BYTES ENTRIES");
    const std::string_view task = argv[1];
    executor::ArchiveLimits limits;
    limits.bytes = number(argv[3]);
    limits.entries = number(argv[4]);
    rivera::base::Confinement confinement;
    confinement.directory = task == "extract" ? kOutput : -1;
    confinement.user = static_cast<uid_t>(number(argv[2]));
    confinement.most_file_bytes = limits.bytes + kHeaders;
    confinement.most_memory_bytes = kMemory;
    run(task, confinement, limits);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s", e.what());
    return 1;
  }
}
