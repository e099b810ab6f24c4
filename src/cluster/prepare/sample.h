// The sample application and task that ./run brings up.
#pragma once

#include <string>

#include "cluster/settings/settings.h"
#include "models/models.h"

namespace rivera::cluster {

inline constexpr char kSampleDomain[] = "sample";
inline constexpr char kSampleProcess[] = "hello";
inline constexpr char kSampleTaskPrefix[] = "sample-task-";
inline constexpr int kSampleInstances = 2;

// A web server with two instances under the host name hello.<suffix>. Its annotation holds a digest of the rest, which
// distinguishes a definition made by an older Rivera from this one.
models::DesiredLRP sample_lrp(const Settings& settings);

// Writes a greeting into its result file.
models::TaskDefinition sample_task(const Settings& settings);

// Writes both as JSON below <var>/samples, as starting points for one's own (cfdot create-desired-lrp @FILE).
void write_sample_files(const Settings& settings);

}  // namespace rivera::cluster
