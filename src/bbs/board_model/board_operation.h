// Random operations on the Board, each with its counterpart on the model; for tests.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <string>

#include "bbs/board/board.h"
#include "bbs/board_model/board_model.h"

namespace rivera::bbs {

// Self-contained: may be repeated, reordered, or run without its predecessors, which is how a failing sequence is
// shortened.
struct BoardOperation {
  std::function<std::string()> text;
  std::chrono::nanoseconds wait{0};  // before it; may be negative, as clocks are set back
  std::function<Outcome(Board&, base::Timestamp)> real;
  std::function<ModelOutcome(BoardModel&, base::Timestamp)> model;
  bool is_foreign = false;                // a row of another writer, as found when loading: no rule made it
  bool is_evacuation = false;             // of a running instance
  bool is_taken_back = false;             // the changes are reverted afterwards, as after a failed transaction
  std::optional<CellIds> converges_with;  // LRP convergence with these cells
};

// Deterministic for a seed. Reads the model only to choose existing records more often than absent ones.
class OperationSource {
 public:
  explicit OperationSource(std::uint64_t seed) : random_(seed) {}

  BoardOperation next(const BoardModel& model);

 private:
  // A process guid and index, and an instance that runs there or could.
  struct Aim {
    models::ActualLRPKey key;
    models::ActualLRPInstanceKey instance;
  };

  int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint64_t>(limit)); }
  bool with_chance(int percent) { return below(100) < percent; }
  std::string some(const char* prefix, int many) { return prefix + std::to_string(below(many)); }
  std::string reason();
  std::chrono::nanoseconds wait();
  CellIds cells();
  Aim aim(const BoardModel& model);
  models::DesiredLRP desired_lrp();

  BoardOperation of_domains_and_desires(const BoardModel& model);
  BoardOperation of_lrps(const BoardModel& model);
  BoardOperation of_evacuation(const BoardModel& model);
  BoardOperation of_tasks(const BoardModel& model);
  BoardOperation of_convergence();
  BoardOperation of_others(const BoardModel& model);
  models::StartActualLRPRequest start_request(const Aim& aim);
  models::EvacuateRunningActualLRPRequest evacuate_running_request(const Aim& aim);

  std::mt19937_64 random_;
  CellIds present_ = {"c0", "c1", "c2"};
  int foreign_ = 0;
};

}  // namespace rivera::bbs
