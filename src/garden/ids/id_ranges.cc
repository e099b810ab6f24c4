#include "garden/ids/id_ranges.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <system_error>

#include "clients/garden/garden_types.h"

namespace rivera::garden {

IdRanges::IdRanges(const Options& options, const Host& host, std::string lock_file)
    : start_(options.container_id_pool_start),
      end_(std::min<std::uint64_t>(start_ + options.container_id_pool_size, host.largest_id)),
      length_(options.container_id_range_length),
      lock_file_(std::move(lock_file)) {}

void IdRanges::open_file() {
  if (file_) return;
  file_.reset(::open(lock_file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file_) throw std::system_error(errno, std::generic_category(), "open " + lock_file_);
}

// Locks of an open file, and not of the process: another part of it that closes the file leaves them alone.
bool IdRanges::lock(std::uint32_t first, std::uint32_t length, short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = first;
  range.l_len = length;
  if (::fcntl(file_.get(), F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw std::system_error(errno, std::generic_category(), "lock host ids");
}

std::uint32_t IdRanges::take() {
  open_file();
  for (std::uint64_t at = start_; at + length_ <= end_;) {
    const auto first = static_cast<std::uint32_t>(at);
    // Of another length, too, where the flags have changed since a container was made.
    const auto above = held_.lower_bound(first);
    const auto below = above == held_.begin() ? held_.end() : std::prev(above);
    const bool overlaps_above = above != held_.end() && above->first < at + length_;
    const bool overlaps_below = below != held_.end() && std::uint64_t{below->first} + below->second > at;
    // A shared lock suffices to keep others away, and lets the shim have one as well.
    if (!overlaps_above && !overlaps_below && lock(first, length_, F_WRLCK)) {
      lock(first, length_, F_RDLCK);
      held_[first] = length_;
      return first;
    }
    at += length_;
  }
  throw clients::garden::GardenError("no range of host ids is left for a container");
}

void IdRanges::adopt(std::uint32_t first, std::uint32_t length) {
  open_file();
  lock(first, length, F_RDLCK);
  held_[first] = length;
}

void IdRanges::give_back(std::uint32_t first) {
  const auto found = held_.find(first);
  if (found == held_.end()) return;
  lock(first, found->second, F_UNLCK);
  held_.erase(found);
}

}  // namespace rivera::garden
