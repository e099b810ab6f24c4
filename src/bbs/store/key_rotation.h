// Re-encrypts every record with the active key (docs/spec/bbs.md §6.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bbs/store/store.h"
#include "bbs/store/table_pages.h"

namespace rivera::bbs {

// Works concurrently with all other writes: it reads a page, encrypts it again and writes it back in one small
// transaction, each column only if it still holds the value that was read. Whatever the BBS wrote meanwhile has the
// active key already. The key's label is stored at the end, so the next active BBS repeats a rotation that was
// interrupted; columns that have the active key are skipped.
//
// Blocks: every call belongs on a base::WorkerPool. One call at a time.
class KeyRotation {
 public:
  explicit KeyRotation(Store& store) : store_(store) {}

  // True if the stored label differs from the active key's, or is absent. Call it first.
  bool is_needed();
  // Processes one page; returns false when all are done. Throws sql::Error, TermEnded; may be called again after the
  // former.
  bool step();

  // Columns encrypted again, and columns left unchanged because they cannot be decrypted.
  std::size_t rotated() const { return rotated_; }
  std::size_t unreadable() const { return unreadable_; }

 private:
  struct Walk {
    std::size_t key_size;              // columns
    std::vector<std::string> updates;  // a statement for each sealed column, in the order of the pages' columns
    TablePages pages;
  };
  struct Replacement {
    const std::string* update;  // the statement
    std::string before, after;
    std::vector<std::string> key;
  };
  void begin_table();
  void end_table();
  bool next_page(std::vector<Replacement>& replacements);
  void write(const std::vector<Replacement>& replacements);

  Store& store_;
  std::size_t number_ = 0;  // of the table
  std::optional<Walk> walk_;
  std::size_t rotated_ = 0;
  std::size_t unreadable_ = 0;
};

}  // namespace rivera::bbs
