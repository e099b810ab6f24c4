#include "garden/runtime/seccomp_filter.h"

#include <system_error>

#include <boost/json/parse.hpp>

#include "base/bytes.h"
#include "base/files.h"
#include "clients/garden/garden_types.h"

namespace rivera::garden {

namespace json = boost::json;

namespace {

constexpr const char* kAnnotation = "run.oci.seccomp_bpf_data";
constexpr std::size_t kInstruction = 8;          // bytes: struct sock_filter
constexpr std::size_t kMostInstructions = 4096;  // the kernel's limit

const json::value* profile_of(const json::value& config) {
  const auto* section = clients::garden::find_member(config, "linux");
  return section == nullptr ? nullptr : clients::garden::find_member(*section, "seccomp");
}

}  // namespace

void SeccompFilter::add_to(json::object& config) {
  const auto* section = config.if_contains("linux");
  const auto* profile = section == nullptr ? nullptr : clients::garden::find_member(*section, "seccomp");
  const std::lock_guard lock(mutex_);
  if (!known_ || profile == nullptr || *profile != known_->profile) return;
  config["annotations"] = json::object{{kAnnotation, known_->program}};
}

void SeccompFilter::learn(const std::string& state_directory) {
  const std::lock_guard lock(mutex_);
  if (known_) return;
  try {
    const auto config = json::parse(base::read_file(state_directory + "/config.json"));
    const auto* profile = profile_of(config);
    if (profile == nullptr) return;
    const std::string program = base::read_file(state_directory + "/seccomp.bpf");
    if (program.empty() || program.size() % kInstruction != 0 || program.size() > kInstruction * kMostInstructions) {
      return;
    }
    known_ = Known{*profile, base::to_base64(program)};
  } catch (const std::system_error&) {
    // It has ended and is removed, or this crun keeps nothing: the next one is asked.
  }
}

}  // namespace rivera::garden
