#include "bbs/outgoing/cell_watch.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace rivera::bbs {
namespace {

// Fewer missing cells than this are never regarded as many.
constexpr std::size_t kFew = 3;
// More than one cell in this many is.
constexpr std::size_t kShare = 5;

}  // namespace

void CellWatch::expect(const CellIds& cells) { present_.insert(cells.begin(), cells.end()); }

CellIds CellWatch::believe(CellIds listed, base::Timestamp now) {
  std::vector<std::string> gone;
  std::set_difference(present_.begin(), present_.end(), listed.begin(), listed.end(), std::back_inserter(gone));
  const bool is_mass = gone.size() >= kFew && gone.size() * kShare > present_.size();
  const bool after_outage = last_outage_ && now - *last_outage_ < confirmation_;
  std::map<std::string, base::Timestamp> doubted;
  for (const std::string& cell : gone) {
    const auto known = doubted_since_.find(cell);
    const bool is_new = known == doubted_since_.end();
    if (is_new && !is_mass && !after_outage) continue;
    const base::Timestamp since = is_new ? now : known->second;
    if (now - since >= confirmation_) continue;
    doubted[cell] = since;
    listed.insert(cell);
  }
  doubted_since_ = std::move(doubted);
  present_ = listed;
  return listed;
}

}  // namespace rivera::bbs
