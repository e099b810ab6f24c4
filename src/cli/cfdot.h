// cfdot: the operator's command line for the BBS, cells and Locket.
#pragma once

#include <string>
#include <vector>

namespace rivera::cli {

// `words`: the arguments after the program's name. Prints results to standard output, errors to standard error, and
// returns the exit status of docs/spec/access-and-tools.md §4.1.
int run_cfdot(const std::vector<std::string>& words);

}  // namespace rivera::cli
