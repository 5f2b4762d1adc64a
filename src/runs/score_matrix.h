// The score matrix of a run: what each task scored after each task.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ilora {

using Score = std::optional<double>;  // nullopt: not evaluated

// (T+1, T): row k is after k tasks (row 0: before training), column j-1 is task j. Rows missing at
// the end (an interrupted run) count as not evaluated.
using ScoreMatrix = std::vector<std::vector<Score>>;

// Nothing evaluated yet, of so many tasks.
ScoreMatrix empty_matrix(size_t tasks);

// Of the task in a column, from 0, after `row` tasks.
Score score_at(const ScoreMatrix& scores, size_t row, size_t column);

// The mean of some scores; nullopt where one of them is missing, or all.
Score mean_score(std::span<const Score> scores);

// The last row that holds a score at all; nullptr where none does.
const std::vector<Score>* last_row(const ScoreMatrix& scores);

// The scores of the tasks that have one of several measures, and the matrix of all of them again.
ScoreMatrix part_of(const ScoreMatrix& scores, const std::vector<std::string>& measures,
                    const std::string& measure);
void add_part(ScoreMatrix& scores, const ScoreMatrix& part);

}  // namespace ilora
