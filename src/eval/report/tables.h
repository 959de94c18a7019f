// The report's figures as rows of numbers: scores per arm and task, right answers by depth and
// length, by how much of the answer was left. Made from all answers, whatever the page has room
// for.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "eval/report/gather.h"

namespace pith::eval {

// {"columns": [...], "rows": [[...], ...]}; shares are rounded to 1e-4, what is not known is null.
// A row is an arm (by number) and a task ("all" besides each one).
nlohmann::ordered_json score_table(std::span<const ReportRun> runs, const Gathered& gathered);

// {"bins": n, "rows": [[arm, length, bin, items, sum of scores], ...]}, bins of equal depth.
nlohmann::ordered_json depth_table(const Gathered& gathered);

// {"edges": [...], "rows": [[arm, bin, items, sum of scores], ...]} of the items that `full`
// answers, by the share of the answer's (lane, token) pairs that the cache holds exactly.
nlohmann::ordered_json kept_table(const Gathered& gathered);

// Classes of failures that occur, in the order of judge.h.
std::vector<std::string> failure_classes(const Gathered& gathered);

// Which of the points no other beats: fewer bytes at no lower score, or a higher score at no more
// bytes.
struct Point {
  double bytes = 0, score = 0;
};
std::vector<bool> pareto_front(std::span<const Point> points);

// For JSON: null for what is not a number.
nlohmann::ordered_json rounded(double value, double unit = 1e-4);

}  // namespace pith::eval
