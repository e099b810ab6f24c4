// Downloads to and uploads from a container (docs/spec/cell.md §3.5, §3.6).
#pragma once

#include <cstdint>
#include <string>

#include "executor/logs/process_output.h"
#include "executor/steps/interrupt.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

// "512B", "1K", "12.3M", "1.5G".
std::string short_size(std::uint64_t bytes);

// Downloads an archive and unpacks it in the container.
class DownloadStep final : public Step {
 public:
  DownloadStep(StepEnvironment& environment, models::DownloadAction action, ProcessOutputPtr output,
               std::string journal_key);
  asio::awaitable<StepResult> run() override;
  void interrupt() override { interrupt_.raise(); }

 private:
  asio::awaitable<StepResult> transfer();
  StepResult failed(bool copying, const std::string& failure);

  StepEnvironment& env_;
  models::DownloadAction action_;
  ProcessOutputPtr output_;
  std::string journal_key_;
  Interrupt interrupt_;
};

// Uploads a file of the container.
class UploadStep final : public Step {
 public:
  UploadStep(StepEnvironment& environment, models::UploadAction action, ProcessOutputPtr output,
             std::string journal_key);
  asio::awaitable<StepResult> run() override;
  void interrupt() override { interrupt_.raise(); }

 private:
  asio::awaitable<StepResult> transfer();
  StepResult failed(const std::string& text);

  StepEnvironment& env_;
  models::UploadAction action_;
  ProcessOutputPtr output_;
  std::string journal_key_;
  Interrupt interrupt_;
};

}  // namespace rivera::executor
