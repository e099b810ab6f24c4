#include "net/limits/head_budget.h"

#include "base/process/resources.h"

namespace rivera::net {

bool HeadBudget::take(std::size_t bytes, bool is_large) {
  const std::size_t limit = is_large ? bytes_ - bytes_ / 4 : bytes_;
  const std::size_t before = used_.fetch_add(bytes);
  if (before > limit || bytes > limit - before) {
    used_ -= bytes;
    return false;
  }
  if (before + bytes >= bytes_ / 4) was_much_ = true;
  return true;
}

void HeadBudget::give_back(std::size_t bytes) {
  const std::size_t left = used_.fetch_sub(bytes) - bytes;
  if (left <= bytes_ / 16 && was_much_.exchange(false)) base::return_free_memory();
}

bool HeadReservation::grow_to(std::size_t bytes) {
  if (!budget_ || bytes <= bytes_) return true;
  if (!budget_->take(bytes - bytes_, bytes >= HeadBudget::kLarge)) return false;
  bytes_ = bytes;
  return true;
}

void HeadReservation::shrink_to(std::size_t bytes) {
  if (bytes >= bytes_) return;
  budget_->give_back(bytes_ - bytes);
  bytes_ = bytes;
}

}  // namespace rivera::net
