#include <algorithm>
#include <charconv>
#include <thread>

#include "base/work/parallel_consumer.h"
#include "bbs/store/store.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kDecodedAtOnce = 256;  // rows

// A copy of the current row of the query.
class RowCopy final : public sql::Row {
 public:
  explicit RowCopy(const sql::Row& row) {
    ends_.reserve(static_cast<std::size_t>(row.columns()));
    for (int column = 0; column < row.columns(); ++column) {
      bytes_ += row.text(column);
      ends_.push_back(bytes_.size());
      if (row.is_null(column)) nulls_.push_back(column);
    }
  }
  int columns() const override { return static_cast<int>(ends_.size()); }
  bool is_null(int column) const override { return std::find(nulls_.begin(), nulls_.end(), column) != nulls_.end(); }
  std::int64_t integer(int column) const override {
    const std::string_view value = text(column);
    if (value == "t") return 1;  // how PostgreSQL writes true
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
  }
  std::string_view text(int column) const override {
    const auto at = static_cast<std::size_t>(column);
    const std::size_t start = at == 0 ? 0 : ends_.at(at - 1);
    return std::string_view(bytes_).substr(start, ends_.at(at) - start);
  }
  std::string_view blob(int column) const override { return text(column); }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<int> nulls_;
};

struct Chunk {
  RecordKind kind;
  std::vector<RowCopy> rows;
};

// Decrypts and decodes chunks on several threads.
class Decoder {
 public:
  explicit Decoder(const ColumnCipher& cipher)
      : cipher_(cipher),
        results_(std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16)),
        consumer_(results_.size(), [this](Chunk chunk, std::size_t thread) { decode(chunk, results_[thread]); }) {}

  void add(RecordKind kind, const sql::Row& row) {
    if (chunk_.kind != kind || chunk_.rows.size() >= kDecodedAtOnce) flush();
    chunk_.kind = kind;
    chunk_.rows.emplace_back(row);
  }

  struct Result {
    Store::LoadResult rows;
    std::set<std::string> labels;  // of keys that have decrypted a column
  };
  // The results of everything added.
  Result finish() {
    flush();
    consumer_.finish();
    Result all = std::move(results_.front());
    for (std::size_t i = 1; i < results_.size(); ++i) {
      auto& [rows, labels] = results_[i];
      std::move(rows.records.begin(), rows.records.end(), std::back_inserter(all.rows.records));
      std::move(rows.unreadable.begin(), rows.unreadable.end(), std::back_inserter(all.rows.unreadable));
      all.labels.merge(labels);
    }
    return all;
  }

 private:
  void flush() {
    if (!chunk_.rows.empty()) consumer_.push(std::move(chunk_));
    chunk_ = {};
  }

  void decode(const Chunk& chunk, Result& into) const {
    for (const RowCopy& row : chunk.rows) {
      ReadRow read = read_row(chunk.kind, row, cipher_);
      if (auto* unreadable = std::get_if<UnreadableRecord>(&read)) {
        into.rows.unreadable.push_back(std::move(*unreadable));
        continue;
      }
      into.rows.records.push_back(std::move(std::get<Change>(read)));
      std::string label = label_in(chunk.kind, row);
      if (!label.empty() && !into.labels.contains(label)) into.labels.insert(std::move(label));
    }
  }

  const ColumnCipher& cipher_;
  Chunk chunk_{};
  std::vector<Result> results_;  // one a thread
  base::ParallelConsumer<Chunk> consumer_;
};

}  // namespace

Store::LoadResult Store::load() {
  sql::Connection connection = database_.connect();
  sql::Transaction transaction = connection.begin(sql::TransactionMode::kRead);
  Decoder decoder(cipher_);
  for (const RecordKind kind : kRecordKinds) {
    connection.query(select_all(kind), {}, [&](const sql::Row& row) { decoder.add(kind, row); });
  }
  transaction.commit();
  Decoder::Result result = decoder.finish();
  proven_labels_ = std::move(result.labels);
  spare_what_may_be_readable(result.rows.unreadable);
  return std::move(result.rows);
}

Store::LoadResult Store::read(const std::vector<RecordKey>& keys) {
  LoadResult result;
  sql::Connection connection = database_.connect();
  sql::Transaction transaction = connection.begin(sql::TransactionMode::kRead);
  for (const RecordKey& key : keys) {
    connection.query(select_one(key.kind), key_values(key), [&](const sql::Row& row) {
      ReadRow read = read_row(key.kind, row, cipher_);
      if (auto* unreadable = std::get_if<UnreadableRecord>(&read)) {
        result.unreadable.push_back(std::move(*unreadable));
      } else {
        result.records.push_back(std::move(std::get<Change>(read)));
        proven_labels_.insert(label_in(key.kind, row));
      }
    });
  }
  transaction.commit();
  spare_what_may_be_readable(result.unreadable);
  return result;
}

// "Delete only when the key set is known to be complete" (docs/spec/bbs.md §4.9): a label that is not configured, or
// whose key has decrypted nothing, may be a mistake in the configuration. Then no record is deleted.
void Store::spare_what_may_be_readable(std::vector<UnreadableRecord>& unreadable) const {
  const auto is_doubtful = [this](const UnreadableRecord& record) {
    return !record.label.empty() && !proven_labels_.contains(record.label);
  };
  if (std::none_of(unreadable.begin(), unreadable.end(), is_doubtful)) return;
  for (UnreadableRecord& record : unreadable) record.is_lost = false;
}

}  // namespace rivera::bbs
