// Tar archives that mutation can shape: any bytes make one.
#pragma once

#include <string>
#include <string_view>

namespace rivera::fuzz {

// The archive that `bytes` ask for. The first byte says how the others are read:
// 0: as instructions, each of which makes an entry with a name, link and content of parts that lead somewhere: "..",
//    names of earlier entries, whiteouts, extended headers;
// 1: as an archive whose headers get the right checksums, which mutation would not find;
// others: as they are.
std::string tar_of(std::string_view bytes);

}  // namespace rivera::fuzz
