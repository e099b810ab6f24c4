// Sealing every record with the active key (docs/spec/bbs.md §6.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bbs/store/store.h"
#include "bbs/store/table_pages.h"

namespace rivera::bbs {

// Goes through the tables beside everything else: a page is read, sealed anew and written back in one small
// transaction, each column only where it still holds what was read. What the BBS has written meanwhile is sealed with
// the active key already and stays as it is. Once all is done the key's label is stored, so that a rotation which ended
// early is begun again by the next active BBS; columns that have the active key are passed over.
//
// Blocks: every call belongs on a base::WorkerPool. One call at a time.
class KeyRotation {
 public:
  explicit KeyRotation(Store& store) : store_(store) {}

  // Whether the stored label is another one than the active key's, or none. To be asked first.
  bool is_needed();
  // Does one page; false once all is done. Throws sql::Error, TermEnded; may be called again after the former.
  bool step();

  // Columns sealed anew, and columns left as they are because they cannot be opened.
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
