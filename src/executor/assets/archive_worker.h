// Reads archives in a process of its own, which has rights only in the one directory that it fills.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include "executor/assets/archive.h"

namespace rivera::executor {

// Starts the program archive-worker for each archive (cmd/archive-worker), as an unprivileged user confined by
// base::confine_process(): what an archive makes of it can read and change nothing else.
//
// All functions block, for no longer than the time limit: call them on a worker. They throw std::runtime_error with
// what is wrong with the archive, and leave what was written so far to the caller.
class ArchiveWorker {
 public:
  // Finds the program beside our own, or in `directory`.
  ArchiveWorker();
  explicit ArchiveWorker(const std::filesystem::path& directory);

  // Writes the tar, gzipped tar or zip in `from` to `to` as a plain tar; a plain tar is moved. Returns its size in
  // bytes.
  std::uint64_t make_plain_tar(const std::filesystem::path& from, const std::filesystem::path& to,
                               const ArchiveLimits& limits) const;
  // Extracts a plain tar into `directory`, which is created; as extract_tar(). Its owner is the confined user.
  void extract(const std::filesystem::path& tar, const std::filesystem::path& directory,
               const ArchiveLimits& limits) const;

 private:
  struct Job;
  void run(const Job& job) const;

  std::filesystem::path program_;
};

}  // namespace rivera::executor
