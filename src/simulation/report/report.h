// What the simulations have shown, as a table and as a page.
#pragma once

#include <string>
#include <vector>

#include "simulation/scenarios/scenario.h"

namespace rivera::simulation {

// One line for each outcome, for a terminal of 130 columns or more.
std::string table_of(const std::vector<Outcome>& outcomes);

// A whole HTML page with everything it needs: no script, no other file.
std::string page_of(const std::vector<Outcome>& outcomes);

}  // namespace rivera::simulation
