// All records as text, one JSON object a line, to keep them or to move them to a store of another engine.
//
//   {"rivera_bbs_export":1,"schema_version":1772581987}
//   {"table":"desired_lrps","row":{"process_guid":"...","instances":2,...,"run_info":"02..."}}
//   ...
//   {"end":{"rows":17}}
//
// Rows are as they stand in the tables (docs/spec/bbs.md §6): definitions, with all the secrets that applications have
// in their environment, stay encrypted under the keys of the configuration, and cannot be imported without them. Ids,
// domains, states, annotations and task results are readable.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <stdexcept>

#include "bbs/store/store.h"

namespace rivera::bbs {

// The text is no export, or not a whole one, or not one for this store; says the line and why.
class UnusableExport : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Told now and then how many rows have been done.
using DumpProgress = std::function<void(std::size_t rows)>;

// Writes every record, of one consistent state; a BBS may be active meanwhile. Returns the number of rows. Throws
// UnusableDatabase if the tables are not of this version, sql::Error, std::ios_base::failure. Blocks.
std::size_t export_records(sql::Database& database, std::ostream& out, const DumpProgress& progress);

enum class Existing { kRefuse, kReplace };

// Reads what export_records() wrote into the store: all of it or, if it throws, nothing. Begins a term, which ends that
// of an active BBS at its next write. The key label is dropped, so that the next BBS seals what does not have its
// active key. Throws UnusableExport, UnusableDatabase (also if there are records and `existing` is kRefuse),
// sql::Error, TermEnded. Blocks.
std::size_t import_records(Store& store, std::istream& in, Existing existing, const DumpProgress& progress);

}  // namespace rivera::bbs
