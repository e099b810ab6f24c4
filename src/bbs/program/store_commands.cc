#include "bbs/program/store_commands.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>
#include <unistd.h>

#include "base/files.h"
#include "base/ids.h"
#include "base/work/wait.h"
#include "bbs/program/bbs_program.h"
#include "bbs/store/store_dump.h"
#include "clients/locket/lock_keeper.h"

namespace rivera::bbs {
namespace {

// A file that appears complete or not at all.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path), partial_(path + ".partial") {
    const base::UniqueFd created(open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!created || fchmod(created.get(), 0600) != 0) fail("creating");
    stream_.open(partial_, std::ios::binary | std::ios::trunc);
    if (!stream_) fail("opening");
  }
  ~NewFile() {
    if (!is_kept_) unlink(partial_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  std::ostream& stream() { return stream_; }

  void keep() {
    stream_.close();
    const base::UniqueFd written(open(partial_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!written || fsync(written.get()) != 0) fail("synchronising");
    if (rename(partial_.c_str(), path_.c_str()) != 0) fail("renaming");
    is_kept_ = true;
  }

 private:
  [[noreturn]] void fail(const char* doing) const {
    throw std::system_error(errno, std::generic_category(), std::string(doing) + " " + partial_);
  }

  std::string path_, partial_;
  std::ofstream stream_;
  bool is_kept_ = false;
};

void print_rows(const char* done, std::size_t rows) { std::cerr << done << " " << rows << " rows\n"; }

std::size_t import_from(Store& store, const std::string& path, Existing existing) {
  const auto progress = [](std::size_t rows) { print_rows("read", rows); };
  if (path == "-") return import_records(store, std::cin, existing, progress);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::system_error(errno, std::generic_category(), "opening " + path);
  return import_records(store, file, existing, progress);
}

}  // namespace

void run_export(const Config& config, const std::string& path) {
  const auto database = sql::Database::open(config.database);
  const auto progress = [](std::size_t rows) { print_rows("written", rows); };
  std::cerr << "definitions stay encrypted with the keys of encryption_keys: keep these too\n";
  if (path == "-") {
    print_rows("exported", export_records(*database, std::cout, progress));
    return;
  }
  NewFile file(path);
  const std::size_t rows = export_records(*database, file.stream(), progress);
  file.keep();
  print_rows("exported", rows);
}

asio::awaitable<void> run_import(base::Program& program, Config config, std::string path, bool replace) {
  const ColumnCipher cipher(config.encryption_keys, config.active_key_label);
  const auto database = sql::Database::open(config.database);
  Store store(*database, cipher);
  clients::LocketClient locket(program.executor(), config.locket);
  // Not the BBS's own name: one with this configuration may be active, and would share its lock.
  clients::LockKeeperOptions as_importer = lock_options(config);
  as_importer.owner += "-import-" + base::new_guid();
  clients::LockKeeper lock(program.executor(), locket, as_importer, program.logger());
  try {
    auto acquiring = lock.acquire();
    co_await base::within(config.lock_ttl + 2 * config.lock_retry_interval, "the lock", std::move(acquiring));
  } catch (const base::DeadlineExceeded&) {
    throw std::runtime_error("another BBS holds the lock 'bbs', or Locket cannot be reached: stop every BBS first");
  }
  std::exception_ptr failure;
  try {
    const Existing existing = replace ? Existing::kReplace : Existing::kRefuse;
    auto importing = [&] { return import_from(store, path, existing); };
    const std::size_t rows = co_await program.workers().run(std::move(importing));
    print_rows("imported", rows);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await lock.release();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rivera::bbs
