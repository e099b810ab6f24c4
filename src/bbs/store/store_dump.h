// All records as text, one JSON object a line, to keep them or to move them to a store of another engine.
//
//   {"rivera_bbs_export":1,"schema_version":1772581987}
//   {"table":"desired_lrps","row":{"process_guid":"...","instances":2,...,"run_info":"02..."}}
//   ...
//   {"end":{"rows":17}}
//
// Rows have the form of the tables (docs/spec/bbs.md §6). Definitions, including any secrets in the environment of
// applications, stay encrypted with the keys of the configuration and cannot be imported without them. Ids, domains,
// states, annotations and task results are readable.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <stdexcept>

#include "bbs/store/store.h"

namespace rivera::bbs {

// The text is not an export, is incomplete, or is not for this store. The message names the line and the reason.
class UnusableExport : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Called from time to time with the number of rows done.
using DumpProgress = std::function<void(std::size_t rows)>;

// Writes every record, in one consistent state; a BBS may be active at the same time. Returns the number of rows.
// Throws UnusableDatabase if the tables are not of this version, sql::Error, std::ios_base::failure. Blocks.
std::size_t export_records(sql::Database& database, std::ostream& out, const DumpProgress& progress);

enum class Existing { kRefuse, kReplace };

// Imports what export_records() wrote: all of it or, if it throws, nothing. Begins a term, which ends that of an active
// BBS at its next write. Removes the stored key label, so the next BBS encrypts again whatever does not have its active
// key. Throws UnusableExport, UnusableDatabase (also if there are records and `existing` is kRefuse),
// sql::Error, TermEnded. Blocks.
std::size_t import_records(Store& store, std::istream& in, Existing existing, const DumpProgress& progress);

}  // namespace rivera::bbs
