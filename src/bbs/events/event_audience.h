// Selects the streams that receive an event (docs/spec/bbs.md §3.1, §3.5).
#pragma once

#include <array>
#include <string_view>

#include "bbs/events/event.h"

namespace rivera::bbs {

// Whether a stream's cell filter applies to a hub's events; else the stream gets all of them.
constexpr bool is_filtered_by_cell(Hub hub) { return hub == Hub::kGroup || hub == Hub::kInstance; }

// Whether a hub's events look different in the forms of r1 and r0: those with definitions in them.
constexpr bool has_forms(Hub hub) { return hub == Hub::kDesired || hub == Hub::kTask; }

// The cells whose filtered streams receive the event: two, one or none ("" stands for none). Views into the event's
// records.
std::array<std::string_view, 2> cells_of(const Event& event);

// The key of the instance that a change is about: the new one, unless that has none (§3.6).
const models::ActualLRPInstanceKey& key_of(const InstanceEvent& event);

}  // namespace rivera::bbs
