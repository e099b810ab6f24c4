#include "executor/logs/file_log_sink.h"

#include <ctime>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "executor/container/append_file.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

std::string format_time(base::Timestamp at) {
  const auto nanos = base::to_unix_nanos(at);
  const std::time_t seconds = nanos / 1'000'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, nanos % 1'000'000'000);
}

// A guid becomes a file name, which must not leave the directory.
std::string file_name(const std::string& owner) {
  std::string name = owner;
  for (char& c : name) {
    if (c == '/' || c == '\0') c = '_';
  }
  if (name.empty() || name.starts_with('.')) name.insert(0, "_");
  return name + ".log";
}

void append(const fs::path& path, const std::string& bytes, std::uint64_t max_file_bytes) {
  if (append_to_file(path, bytes) >= max_file_bytes) fs::rename(path, path.string() + ".1");
}

// Removes the least recently written files until nine tenths of `max_files` are left, so that the next call is not due
// at once.
void prune(const fs::path& directory, std::size_t max_files) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::error_code ec;
    const auto written = entry.last_write_time(ec);
    if (!ec) files.emplace_back(written, entry.path());
  }
  if (files.size() <= max_files) return;
  std::sort(files.begin(), files.end());
  files.resize(files.size() - max_files * 9 / 10);
  for (const auto& [written, path] : files) {
    std::error_code ec;
    fs::remove(path, ec);
  }
}

}  // namespace

class FileLogSink::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::any_io_executor executor, base::WorkerPool& workers, FileLogOptions options, base::Logger logger)
      : executor_(executor),
        workers_(workers),
        options_(std::move(options)),
        logger_(std::move(logger)),
        written_(executor) {
    fs::create_directories(options_.directory);
  }

  void write(const AppLogLine& line) {
    auto& file = files_[line.config.owner];
    if (file.pending.size() >= options_.max_pending_bytes) {
      ++file.dropped;
      return;
    }
    file.pending += fmt::format("{} [{}/{}] {} {}\n", format_time(line.at), line.source, line.config.index,
                                line.is_error ? "ERR" : "OUT", line.text);
    if (writing_) return;
    writing_ = true;
    asio::co_spawn(executor_, write_all(shared_from_this()), asio::detached);
  }

  asio::awaitable<void> flush() {
    while (writing_) co_await written_.wait();
  }

 private:
  struct File {
    std::string pending;
    std::uint64_t dropped = 0;
  };

  static asio::awaitable<void> write_all(std::shared_ptr<State> self) {
    while (!self->files_.empty()) {
      const auto files = std::exchange(self->files_, {});
      for (const auto& [owner, file] : files) {
        if (++self->writes_ % kWritesPerPrune == 1) co_await self->prune_old();
        auto bytes = file.pending;
        if (file.dropped > 0) bytes += fmt::format("{} lines were dropped\n", file.dropped);
        co_await self->write_one(owner, std::move(bytes));
      }
    }
    self->writing_ = false;
    self->written_.notify_all();
  }

  asio::awaitable<void> prune_old() {
    try {
      auto work = [directory = options_.directory, limit = options_.max_files] { prune(directory, limit); };
      co_await workers_.run(std::move(work));
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      logger_.error("failed-to-prune-app-logs", {{"error", e.what()}});
    }
  }

  asio::awaitable<void> write_one(std::string owner, std::string bytes) {
    try {
      auto work = [path = options_.directory / file_name(owner), text = std::move(bytes),
                   limit = options_.max_file_bytes] { append(path, text, limit); };
      co_await workers_.run(std::move(work));
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      logger_.error("failed-to-write-app-log", {{"owner", owner}, {"error", e.what()}});
    }
  }

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  FileLogOptions options_;
  base::Logger logger_;
  std::map<std::string, File> files_;
  static constexpr std::uint64_t kWritesPerPrune = 200;
  std::uint64_t writes_ = 0;
  bool writing_ = false;
  base::Condition written_;
};

FileLogSink::FileLogSink(asio::any_io_executor executor, base::WorkerPool& workers, FileLogOptions options,
                         base::Logger logger)
    : state_(std::make_shared<State>(executor, workers, std::move(options), std::move(logger))) {}

FileLogSink::~FileLogSink() = default;

void FileLogSink::write(const AppLogLine& line) { state_->write(line); }

asio::awaitable<void> FileLogSink::flush() {
  const auto state = state_;
  co_await state->flush();
}

}  // namespace rivera::executor
