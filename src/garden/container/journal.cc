#include "garden/container/journal.h"

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "base/files.h"
#include "base/ids.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStateFile = "/state.json";
constexpr const char* kNextFile = "/state.json.next";
constexpr const char* kRemoved = ".removed-";  // no handle begins with a dot

// A reader sees the old or the new text. The file is exchanged with the new one, not replaced: to replace a file makes
// ext4 allocate the new one's blocks at once, and the journal does not outlive a power loss in any case.
void write_state(const std::string& directory, const std::string& text) {
  const std::string file = directory + kStateFile, next = directory + kNextFile;
  base::write_file_atomically(next, text, 0600);
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, file.c_str(), RENAME_EXCHANGE) == 0) {
    ::unlink(next.c_str());
  } else {
    fs::rename(next, file);  // the first text, or a file system that exchanges nothing
  }
}

}  // namespace

Journal::Journal(const Context& context, const Parts& parts)
    : context_(context), parts_(parts), changed_(context.executor) {}

asio::awaitable<void> Journal::save(Container& container) {
  const auto keep = container.shared_from_this();
  auto& writing = container.state<Writing>();
  const std::uint64_t mine = ++writing.asked;
  container.has_unsaved_changes = false;
  while (writing.written < mine && !writing.is_removed) {
    if (writing.is_writing) {
      co_await changed_.wait();
    } else {
      co_await write(container, writing);
    }
  }
}

asio::awaitable<void> Journal::write(Container& container, Writing& writing) {
  for (const auto& part : parts_) {
    auto state = part->state(container);
    if (state.empty()) {
      container.record.parts.erase(part->name());
    } else {
      container.record.parts[part->name()] = std::move(state);
    }
  }
  const std::uint64_t version = writing.asked;
  auto write_file = [text = container.record.to_json(), directory = container.directory] {
    fs::create_directory(directory);
    write_state(directory, text);
  };
  writing.is_writing = true;
  std::exception_ptr failure;
  try {
    co_await context_.on_worker(std::move(write_file));
  } catch (...) {
    failure = std::current_exception();
  }
  writing.is_writing = false;
  changed_.notify_all();
  if (failure) std::rethrow_exception(failure);
  container.has_directory = true;
  writing.written = version;
}

asio::awaitable<void> Journal::remove(Container& container) {
  auto& writing = container.state<Writing>();
  while (writing.is_writing) co_await changed_.wait();
  writing.is_removed = true;
  // Who closes a deleted directory last waits for its deletion.
  container.opened_directory.reset();
  auto remove_directory = [depot = context_.options.depot, directory = container.directory] {
    const std::string removed = depot + "/" + kRemoved + base::new_guid();
    std::error_code ec;
    fs::rename(directory, removed, ec);
    if (ec && ec != std::errc::no_such_file_or_directory) throw std::system_error(ec, "remove " + directory);
    fs::remove_all(removed);
  };
  std::exception_ptr failure;
  try {
    co_await context_.on_worker(std::move(remove_directory));
  } catch (...) {
    failure = std::current_exception();
  }
  changed_.notify_all();
  if (failure) {
    writing.is_removed = false;
    std::rethrow_exception(failure);
  }
}

asio::awaitable<std::vector<Journal::Found>> Journal::read_all() const {
  auto read = [depot = context_.options.depot] {
    std::vector<Found> found;
    for (const auto& entry : fs::directory_iterator(depot)) {
      const std::string handle = entry.path().filename();
      std::error_code ignored;
      if (handle.starts_with(kRemoved)) fs::remove_all(entry.path(), ignored);
      if (!entry.is_directory(ignored) || handle[0] == '.') continue;
      Found one{handle, entry.path(), ""};
      try {
        one.text = base::read_file(one.directory + kStateFile);
      } catch (const std::system_error&) {
        // A container whose creation was interrupted before its first record.
      }
      found.push_back(std::move(one));
    }
    return found;
  };
  auto found = co_await context_.on_worker(std::move(read));
  co_return found;
}

}  // namespace rivera::garden
