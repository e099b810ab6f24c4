#include "executor/steps/transfer_steps.h"

#include <cmath>
#include <fstream>
#include <limits>

#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "executor/assets/archive.h"
#include "executor/assets/cached_downloader.h"
#include "executor/assets/uploader.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestErrorLine = 1024;
constexpr std::string_view kErrorCut = " (error truncated)";
constexpr std::uint64_t kArchiveHeaders = 64u << 20;

// What an archive for a container may hold. It needs more room than its files, which the container's disk has to hold.
std::uint64_t most_bytes_of_archive(const StepContainer& container) {
  if (container.disk_limit == 0) return std::numeric_limits<std::uint64_t>::max();
  return container.disk_limit * 2 + kArchiveHeaders;
}

// A container can make a sparse file of any size, but no more than its disk holds is worth an upload.
std::uint64_t most_bytes_of_upload(const StepContainer& container, std::uint64_t limit) {
  return container.disk_limit == 0 ? limit : std::min(limit, container.disk_limit);
}

std::string cut_line(std::string line) {
  if (line.size() <= kLongestErrorLine) return line;
  line.resize(kLongestErrorLine - kErrorCut.size());
  line += kErrorCut;
  return line;
}

// Runs `transfer` unless the journal has its result, and records the result. That of an interrupt is not recorded,
// because the container is about to end.
asio::awaitable<StepResult> journalled(StepEnvironment& env, std::string key, Interrupt& interrupt,
                                       asio::awaitable<StepResult> transfer) {
  if (!key.empty()) {
    if (auto known = env.journal.finished(key)) co_return *known;
  }
  StepResult result;
  std::string failure;
  try {
    result = co_await interrupt.guard(std::move(transfer));
  } catch (const Interrupted&) {
    co_return StepResult::cancelled();
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  if (!failure.empty()) result = StepResult::failure(failure);
  if (!key.empty()) co_await env.journal.record_finished(key, result);
  co_return result;
}

// The path of a temporary file, which the destructor removes.
struct ScratchFile {
  explicit ScratchFile(fs::path at) : path(std::move(at)) {}
  ~ScratchFile() {
    std::error_code ec;
    fs::remove(path, ec);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  fs::path path;
};

// Writes the first file of the stream to `path`.
asio::awaitable<void> save_first_entry(base::WorkerPool& workers, clients::GardenTarStream& stream, fs::path path,
                                       std::uint64_t max_bytes) {
  const auto out = std::make_shared<std::ofstream>(path, std::ios::binary | std::ios::trunc);
  FirstTarEntry entry;
  std::uint64_t saved = 0;
  while (!entry.complete()) {
    const auto piece = co_await stream.read();
    if (piece.empty()) break;
    auto content = entry.feed(piece);
    if (content.empty()) continue;
    saved += content.size();
    if (saved > max_bytes) throw std::runtime_error("the file is too large");
    auto write = [out, content = std::move(content)] {
      out->write(content.data(), static_cast<std::streamsize>(content.size()));
      if (!*out) throw std::runtime_error("cannot write a temporary file");
    };
    co_await workers.run(std::move(write));
  }
  if (!entry.found()) throw std::out_of_range("no entry");
  if (!entry.complete()) throw std::runtime_error("the stream ended early");
  out->close();
}

}  // namespace

std::string short_size(std::uint64_t bytes) {
  constexpr double kStep = 1024;
  const char* units = "BKMG";
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= kStep && unit < 3) {
    value /= kStep;
    ++unit;
  }
  auto text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text + units[unit];
}

// --- download ---

DownloadStep::DownloadStep(StepEnvironment& environment, models::DownloadAction action, ProcessOutputPtr output,
                           std::string journal_key)
    : env_(environment), action_(std::move(action)), output_(std::move(output)), journal_key_(std::move(journal_key)) {}

asio::awaitable<StepResult> DownloadStep::run() {
  become_ready();
  auto work = transfer();
  co_return co_await journalled(env_, journal_key_, interrupt_, std::move(work));
}

asio::awaitable<StepResult> DownloadStep::transfer() {
  const auto& artifact = action_.artifact();
  const auto slot = co_await env_.transfers.download_slots.acquire();
  if (!artifact.empty()) output_->out(fmt::format("Downloading {}...\n", artifact));

  FetchedFile fetched;
  std::string failure;
  bool copying = false;
  try {
    DownloadRequest request{.url = action_.from(),
                            .cache_key = action_.cache_key(),
                            .checksum = {action_.checksum_algorithm(), action_.checksum_value()},
                            .most_bytes = most_bytes_of_archive(env_.container)};
    fetched = co_await env_.transfers.downloader.fetch_file(std::move(request));
    copying = true;
    auto body = file_body(env_.runtime.workers, fetched.path);
    co_await env_.backend.stream_in(env_.container.handle, action_.user(), action_.to(), std::move(body));
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  if (!failure.empty()) co_return failed(copying, failure);
  if (!artifact.empty()) {
    output_->out(fetched.bytes > 0 ? fmt::format("Downloaded {} ({})\n", artifact, short_size(fetched.bytes))
                                   : fmt::format("Downloaded {}\n", artifact));
  }
  co_return StepResult::success();
}

// The text for the user has the reason for a failed copy, but not for a failed download.
StepResult DownloadStep::failed(bool copying, const std::string& failure) {
  env_.reporting.logger.error("failed-to-download",
                              {{"from", loggable_url(action_.from())}, {"copying", copying}, {"error", failure}});
  const auto what = action_.artifact().empty() ? std::string() : " " + action_.artifact();
  const auto text = copying ? fmt::format("Copying{} into the container failed: {}", what, failure)
                            : fmt::format("Downloading{} failed", what);
  output_->err(cut_line(text) + "\n");
  return StepResult::emittable(text);
}

// --- upload ---

UploadStep::UploadStep(StepEnvironment& environment, models::UploadAction action, ProcessOutputPtr output,
                       std::string journal_key)
    : env_(environment), action_(std::move(action)), output_(std::move(output)), journal_key_(std::move(journal_key)) {}

asio::awaitable<StepResult> UploadStep::run() {
  become_ready();
  auto work = transfer();
  co_return co_await journalled(env_, journal_key_, interrupt_, std::move(work));
}

StepResult UploadStep::failed(const std::string& text) {
  if (action_.artifact().empty()) return StepResult::emittable(text);
  const auto full = text + " for " + action_.artifact();
  output_->err(full + "\n");
  return StepResult::emittable(full);
}

asio::awaitable<StepResult> UploadStep::transfer() {
  const auto& artifact = action_.artifact();
  const auto slot = co_await env_.transfers.upload_slots.acquire();
  if (!artifact.empty()) output_->out(fmt::format("Uploading {}...\n", artifact));

  std::string raw;  // the failure of the stage that `stage` names
  std::string stage;
  try {
    stage = "Failed to parse URL";
    net::Endpoint::parse_url(action_.to());
    const ScratchFile file(env_.transfers.uploader.temporary_path());
    stage = "Failed to establish stream from container";
    const auto stream = co_await env_.backend.stream_out(env_.container.handle, action_.user(), action_.from());
    stage = "Failed to copy stream contents into temp file";
    const auto limit = most_bytes_of_upload(env_.container, env_.transfers.uploader.max_bytes());
    co_await save_first_entry(env_.runtime.workers, *stream, file.path, limit);
    stage = "Failed to upload payload";
    const auto size = co_await env_.transfers.uploader.upload(action_.to(), file.path);
    if (!artifact.empty()) output_->out(fmt::format("Uploaded {} ({})\n", artifact, short_size(size)));
    co_return StepResult::success();
  } catch (const std::out_of_range&) {
    stage = "Failed to find first item in tar stream";
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    raw = e.what();
  }
  env_.reporting.logger.error("failed-to-upload", {{"stage", stage}, {"error", raw}});
  auto result = failed(stage);
  // For these two the log has the stage, and the failure reason is the error itself.
  if (stage == "Failed to parse URL" || stage == "Failed to upload payload") result = StepResult::failure(raw);
  co_return result;
}

}  // namespace rivera::executor
