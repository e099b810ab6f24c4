// From a desired LRP or a task to what the executor is asked to run (docs/spec/cell.md §1.12, §1.13). Pure functions.
#pragma once

#include <map>
#include <string>

#include "executor/container/container.h"
#include "models/models.h"
#include "rep/settings/config.h"
#include "rep/settings/container_tags.h"

namespace rivera::rep {

struct ConversionTerms {
  const models::StackPathMap& stacks;
  LayeringMode layering_mode = LayeringMode::kSingleLayer;
};

// Both throw std::exception with a reason for the log if the definition cannot be run here.
executor::RunRequest run_request_of(const models::DesiredLRP& lrp, const LRPIdentity& identity,
                                    const ConversionTerms& terms);
executor::RunRequest run_request_of(const models::Task& task, const ConversionTerms& terms);

}  // namespace rivera::rep
