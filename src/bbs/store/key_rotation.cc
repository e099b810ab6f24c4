#include "bbs/store/key_rotation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bbs/rows/configurations.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kRotatedAtOnce = 100;  // rows; bounds how long other writers wait
constexpr const char* kSealedTables[] = {"tasks", "desired_lrps", "actual_lrps"};

}  // namespace

bool KeyRotation::is_needed() {
  sql::Connection connection = store_.database().connect();
  return configuration(connection, kLabelKey) != store_.cipher().active_label();
}

bool KeyRotation::step() {
  if (number_ == std::size(kSealedTables)) return false;
  if (!walk_) begin_table();
  const TablePages here = walk_->pages;
  std::vector<Replacement> replacements;
  try {
    if (!next_page(replacements)) end_table();
    write(replacements);
  } catch (...) {
    if (walk_) walk_->pages = here;  // to be done again
    throw;
  }
  return number_ < std::size(kSealedTables);
}

void KeyRotation::begin_table() {
  const Table of = table(store_.database().dialect(), kSealedTables[number_]);
  std::vector<std::string> sealed;
  std::vector<std::string> updates;
  for (const Column& column : of.columns) {
    if (!is_sealed(column.type)) continue;
    sealed.push_back(column.name);
    updates.push_back(fmt::format("UPDATE {0} SET {1} = ? WHERE {2} = ? AND {1} = ?", of.name, column.name,
                                  fmt::join(of.key, " = ? AND ")));
  }
  walk_.emplace(Walk{of.key.size(), std::move(updates), TablePages(of, sealed, kRotatedAtOnce)});
}

void KeyRotation::end_table() {
  if (number_ + 1 == std::size(kSealedTables)) {
    store_.database().transact(sql::TransactionMode::kWrite, [this](sql::Connection& connection) {
      store_.fence(connection);
      set_configuration(connection, kLabelKey, store_.cipher().active_label());
    });
  }
  ++number_;
  walk_.reset();
}

bool KeyRotation::next_page(std::vector<Replacement>& replacements) {
  const ColumnCipher& cipher = store_.cipher();
  const std::size_t keys = walk_->key_size;
  sql::Connection connection = store_.database().connect();
  return walk_->pages.next(connection, [&](const sql::Row& row) {
    for (std::size_t i = 0; i < walk_->updates.size(); ++i) {
      const std::string_view before = row.text(static_cast<int>(keys + i));
      if (before.empty() || ColumnCipher::label_of(before) == cipher.active_label()) continue;
      try {
        Replacement replacement{&walk_->updates[i], std::string(before), cipher.seal(cipher.open(before)), {}};
        for (std::size_t k = 0; k < keys; ++k) replacement.key.emplace_back(row.text(static_cast<int>(k)));
        replacements.push_back(std::move(replacement));
      } catch (const UndecodableColumn&) {
        ++unreadable_;
      }
    }
  });
}

void KeyRotation::write(const std::vector<Replacement>& replacements) {
  if (replacements.empty()) return;
  const auto changed = store_.database().transact(sql::TransactionMode::kWrite, [&](sql::Connection& connection) {
    store_.fence(connection);
    std::vector<sql::Statement> statements;
    for (const Replacement& r : replacements) {
      sql::Statement statement{*r.update, {r.after}};
      for (const std::string& part : r.key) statement.parameters.emplace_back(part);
      statement.parameters.emplace_back(r.before);
      statements.push_back(std::move(statement));
    }
    return connection.execute_batch(statements);
  });
  for (const std::int64_t rows : changed) rotated_ += static_cast<std::size_t>(rows);
}

}  // namespace rivera::bbs
