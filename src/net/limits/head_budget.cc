#include "net/limits/head_budget.h"

namespace rivera::net {

bool HeadBudget::take(std::size_t bytes, bool is_large) {
  const std::size_t limit = is_large ? bytes_ - bytes_ / 4 : bytes_;
  const std::size_t before = used_.fetch_add(bytes);
  if (before > limit || bytes > limit - before) {
    used_ -= bytes;
    return false;
  }
  return true;
}

bool HeadReservation::grow_to(std::size_t bytes) {
  if (!budget_ || bytes <= bytes_) return true;
  if (!budget_->take(bytes - bytes_, bytes >= HeadBudget::kLarge)) return false;
  bytes_ = bytes;
  return true;
}

void HeadReservation::shrink_to(std::size_t bytes) {
  if (bytes >= bytes_) return;
  budget_->used_ -= bytes_ - bytes;
  bytes_ = bytes;
}

}  // namespace rivera::net
