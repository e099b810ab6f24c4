// How ./run status prints: tables and JSON.
#include <algorithm>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <fmt/format.h>

#include "cluster/settings/terminal.h"
#include "cluster/status.h"

namespace rivera::cluster {
namespace {

namespace json = boost::json;
using Row = std::vector<std::string>;

// Columns as wide as their widest cell, two spaces apart; the first row is the heading. Names, results and problems
// come from applications: they are printed as plain text on one line.
std::string table(std::vector<Row> rows) {
  for (Row& row : rows) {
    for (std::string& cell : row) {
      cell = plain_text(cell);
      std::ranges::replace_if(
          cell, [](char c) { return c == '\n' || c == '\t'; }, ' ');
    }
  }
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += "  " + line + "\n";
  }
  return out;
}

std::string one_line(std::string text, std::size_t limit = 70) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > limit) text = text.substr(0, limit - 3) + "...";
  return text;
}

std::string health_of(const ComponentStatus& c) {
  if (c.healthy) return c.restarts == 0 ? "yes" : fmt::format("yes (restarted {} times)", c.restarts);
  return c.last_end.empty() ? "no" : fmt::format("no (last: {})", c.last_end);
}

std::string components_table(const ClusterStatus& status) {
  std::vector<Row> rows{{"COMPONENT", "PID", "ADDRESS", "HEALTHY"}};
  for (const ComponentStatus& c : status.components) {
    rows.push_back({c.name, c.pid ? std::to_string(c.pid) : "-", c.address, health_of(c)});
  }
  return table(rows);
}

std::string cells_table(const ClusterStatus& status) {
  std::vector<Row> rows{{"CELL", "ZONE", "MEMORY", "DISK", "CONTAINERS"}};
  for (const CellStatus& c : status.cells) {
    rows.push_back({c.cell_id, c.zone, fmt::format("{} MB", c.memory_mb), fmt::format("{} MB", c.disk_mb),
                    std::to_string(c.containers)});
  }
  return table(rows);
}

std::string applications_table(const ClusterStatus& status) {
  std::vector<Row> rows{{"APPLICATION", "DOMAIN", "RUNNING", "URL", ""}};
  for (const ApplicationStatus& a : status.applications) {
    rows.push_back({a.process_guid, a.domain, fmt::format("{}/{}", a.running, a.desired),
                    fmt::format("{}", fmt::join(a.urls, " ")), one_line(a.problem)});
  }
  return table(rows);
}

std::string tasks_table(const ClusterStatus& status) {
  std::vector<Row> rows{{"TASK", "DOMAIN", "STATE", "RESULT"}};
  for (const TaskStatus& t : status.tasks) {
    rows.push_back({t.task_guid, t.domain, t.failed ? t.state + " (failed)" : t.state,
                    one_line(t.failed ? t.failure_reason : t.result)});
  }
  return table(rows);
}

json::array as_json(const std::vector<ComponentStatus>& components) {
  json::array out;
  for (const ComponentStatus& c : components) {
    out.push_back(json::object{
        {"name", c.name}, {"pid", c.pid}, {"address", c.address}, {"healthy", c.healthy}, {"restarts", c.restarts}});
  }
  return out;
}

json::array as_json(const std::vector<CellStatus>& cells) {
  json::array out;
  for (const CellStatus& c : cells) {
    out.push_back(json::object{{"cell_id", c.cell_id},
                               {"zone", c.zone},
                               {"memory_mb", c.memory_mb},
                               {"disk_mb", c.disk_mb},
                               {"containers", c.containers}});
  }
  return out;
}

json::array as_json(const std::vector<ApplicationStatus>& applications) {
  json::array out;
  for (const ApplicationStatus& a : applications) {
    out.push_back(json::object{{"process_guid", a.process_guid},
                               {"domain", a.domain},
                               {"running_instances", a.running},
                               {"desired_instances", a.desired},
                               {"url", a.urls.empty() ? json::value(nullptr) : json::value(a.urls.front())},
                               {"urls", json::value_from(a.urls)},
                               {"problem", a.problem}});
  }
  return out;
}

json::array as_json(const std::vector<TaskStatus>& tasks) {
  json::array out;
  for (const TaskStatus& t : tasks) {
    out.push_back(json::object{{"task_guid", t.task_guid},
                               {"domain", t.domain},
                               {"state", t.state},
                               {"cell_id", t.cell_id},
                               {"failed", t.failed},
                               {"failure_reason", t.failure_reason},
                               {"result", t.result}});
  }
  return out;
}

}  // namespace

std::string to_text(const ClusterStatus& status, bool with_components) {
  std::string out;
  if (with_components) out += components_table(status) + "\n";
  if (!status.cells.empty()) out += cells_table(status) + "\n";
  if (!status.applications.empty()) out += applications_table(status) + "\n";
  if (!status.tasks.empty()) out += tasks_table(status) + "\n";
  if (!status.problem.empty()) out += "  " + plain_text(status.problem) + "\n";
  return out;
}

std::string to_json_text(const ClusterStatus& status) {
  return json::serialize(json::object{{"components", as_json(status.components)},
                                      {"cells", as_json(status.cells)},
                                      {"applications", as_json(status.applications)},
                                      {"tasks", as_json(status.tasks)}});
}

}  // namespace rivera::cluster
