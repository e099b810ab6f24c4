// Shared by the files of validation. Internal to src/models.
#pragma once

#include <string>
#include <string_view>

#include "models/validation/validation.h"

namespace rivera::models {

// Collects findings in order.
class Report {
 public:
  // "Invalid field: NAME".
  Report& field(std::string_view name) { return text("Invalid field: " + std::string(name)); }
  Report& text(std::string text) {
    findings_.push_back(std::move(text));
    return *this;
  }
  Report& all(Findings findings) {
    findings_.insert(findings_.end(), findings.begin(), findings.end());
    return *this;
  }
  // Adds the field's name followed by its findings, if there are any.
  Report& inside(std::string_view name, Findings findings) {
    return findings.empty() ? *this : field(name).all(std::move(findings));
  }

  Findings take() { return std::move(findings_); }
  // Throws ModelError InvalidRequest if there are findings.
  void raise() const;

 private:
  Findings findings_;
};

// A guid that a user chose: letters, digits, '_' and '-'.
bool is_valid_guid(std::string_view guid);

Findings findings(const CachedDependency& dependency);
Findings findings(const ImageLayer& layer);
Findings findings(const Sidecar& sidecar);
Findings findings(const VolumeMount& mount);
Findings findings(const CheckDefinition& definition);
Findings findings(const MetricTagValue& tag);
// The pair of checksum fields of downloads and cached dependencies.
void check_checksum(Report& report, const std::string& algorithm, const std::string& value);

}  // namespace rivera::models
