#include "executor/container/state_store.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "executor/container/append_file.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

std::string line_of(const JournalEntry& entry) {
  boost::json::object out{{"step", entry.step}, {"event", entry.event}};
  if (!entry.kind.empty()) out["kind"] = entry.kind;
  if (!entry.text.empty()) out["text"] = entry.text;
  if (entry.at != 0) out["at"] = entry.at;
  return boost::json::serialize(out) + "\n";
}

JournalEntry entry_of(std::string_view line) {
  const auto value = boost::json::parse(boost::json::string_view(line.data(), line.size()));
  const auto& object = value.as_object();
  const auto text = [&object](std::string_view key) {
    const auto* found = object.if_contains(key);
    return found ? std::string(found->as_string()) : std::string();
  };
  JournalEntry entry{.step = text("step"), .event = text("event"), .kind = text("kind"), .text = text("text")};
  if (const auto* at = object.if_contains("at")) entry.at = at->to_number<std::int64_t>();
  return entry;
}

// The last line may be incomplete: the journal ends at the first line that cannot be parsed.
std::vector<JournalEntry> read_journal(const fs::path& path) {
  std::vector<JournalEntry> entries;
  if (!fs::exists(path)) return entries;
  const auto content = base::read_file(path);
  std::string_view rest = content;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) break;
    try {
      entries.push_back(entry_of(rest.substr(0, end)));
    } catch (const std::exception&) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  return entries;
}

}  // namespace

struct StateStore::Turn {
  Turn(StateStore& in, std::string of_guid) : store(in), guid(std::move(of_guid)) { store.writing_[guid] = true; }
  ~Turn() {
    store.writing_.erase(guid);
    store.changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  StateStore& store;
  std::string guid;
};

StateStore::StateStore(asio::any_io_executor executor, base::WorkerPool& workers, fs::path directory,
                       base::Logger logger)
    : workers_(workers), directory_(std::move(directory)), logger_(std::move(logger)), changed_(executor) {
  fs::create_directories(directory_);
  fs::permissions(directory_, fs::perms::owner_all);
}

fs::path StateStore::record_path(const std::string& guid) const { return directory_ / (guid + ".json"); }
fs::path StateStore::journal_path(const std::string& guid) const { return directory_ / (guid + ".steps"); }

asio::awaitable<std::unique_ptr<StateStore::Turn>> StateStore::take_turn(std::string guid) {
  while (writing_.contains(guid)) co_await changed_.wait();
  co_return std::make_unique<Turn>(*this, std::move(guid));
}

asio::awaitable<void> StateStore::save(std::string guid, std::function<ContainerRecord()> current) {
  const auto path = record_path(guid);
  const auto turn = co_await take_turn(guid);
  auto text = to_json(current());
  auto write = [path, text = std::move(text)] { base::write_file_atomically(path, text, 0600); };
  co_await workers_.run(std::move(write));
}

asio::awaitable<void> StateStore::append(std::string guid, JournalEntry entry) {
  const auto path = journal_path(guid);
  const auto turn = co_await take_turn(guid);
  auto write = [path, line = line_of(entry)] { append_to_file(path, line); };
  co_await workers_.run(std::move(write));
}

asio::awaitable<void> StateStore::forget(std::string guid) {
  const auto turn = co_await take_turn(guid);
  auto remove = [record = record_path(guid), journal = journal_path(guid)] {
    fs::remove(record);
    fs::remove(journal);
  };
  co_await workers_.run(std::move(remove));
}

asio::awaitable<std::vector<StoredContainer>> StateStore::load() {
  auto read_all = [directory = directory_, logger = logger_] {
    std::vector<StoredContainer> found;
    for (const auto& file : fs::directory_iterator(directory)) {
      if (file.path().extension() != ".json") continue;
      try {
        StoredContainer stored;
        stored.record = record_from_json(base::read_file(file.path()));
        auto journal = file.path();
        stored.journal = read_journal(journal.replace_extension(".steps"));
        found.push_back(std::move(stored));
      } catch (const std::exception& e) {
        logger.error("unreadable-container-record", {{"file", file.path().string()}, {"error", e.what()}});
        fs::remove(file.path());
      }
    }
    return found;
  };
  co_return co_await workers_.run(std::move(read_all));
}

}  // namespace rivera::executor
