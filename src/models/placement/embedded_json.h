// Parts that several of the JSON texts of cells and auctions have in common (docs/spec/locket-and-auction.md §3).
#pragma once

#include <string_view>

#include "models/go/go_json.h"
#include "models/placement/cell_state.h"

namespace rivera::models::go_json {

// The embedded parts of LRPs, Tasks and start requests. True if `key` belongs to one of them.
bool read_embedded(std::string_view key, const boost::json::value& value, PlacementConstraint& placement,
                   ContainerResource& resource);
void write_embedded(Writer& out, const PlacementConstraint& placement, const ContainerResource& resource);

// A Task has the same form in a cell's state, in work and in a start request.
void read_task(const boost::json::value& value, CellTask& into);
void write_task(Writer& out, const CellTask& task);

}  // namespace rivera::models::go_json
