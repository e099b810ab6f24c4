#include "harness/background.h"

namespace rivera::harness {

Background::Background(std::function<void()> step)
    : step_(std::move(step)), thread_([this] {
        constexpr std::size_t kMostFailures = 100;
        for (; !stops_; ++steps_) {
          try {
            step_();
          } catch (const std::exception& e) {
            if (failures_.size() < kMostFailures) failures_.emplace_back(e.what());
          }
        }
      }) {}

Background::~Background() { stop(); }

std::vector<std::string> Background::stop() {
  stops_ = true;
  if (thread_.joinable()) thread_.join();
  return failures_;
}

}  // namespace rivera::harness
