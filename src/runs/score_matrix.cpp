#include "runs/score_matrix.h"

#include <algorithm>

namespace ilora {

ScoreMatrix empty_matrix(size_t tasks) {
  return ScoreMatrix(tasks + 1, std::vector<Score>(tasks));
}

Score score_at(const ScoreMatrix& scores, size_t row, size_t column) {
  return row < scores.size() ? scores[row].at(column) : std::nullopt;
}

Score mean_score(std::span<const Score> scores) {
  double sum = 0;
  for (const Score& score : scores) {
    if (!score) return std::nullopt;
    sum += *score;
  }
  return scores.empty() ? std::nullopt : Score(sum / static_cast<double>(scores.size()));
}

const std::vector<Score>* last_row(const ScoreMatrix& scores) {
  for (auto row = scores.rbegin(); row != scores.rend(); ++row)
    if (std::ranges::any_of(*row, [](const Score& score) { return score.has_value(); }))
      return &*row;
  return nullptr;
}

ScoreMatrix part_of(const ScoreMatrix& scores, const std::vector<std::string>& measures,
                    const std::string& measure) {
  ScoreMatrix part = scores;
  for (std::vector<Score>& row : part) {
    for (size_t j = 0; j < row.size(); ++j)
      if (measures[j] != measure) row[j].reset();
  }
  return part;
}

void add_part(ScoreMatrix& scores, const ScoreMatrix& part) {
  scores.resize(std::max(scores.size(), part.size()));
  for (size_t k = 0; k < part.size(); ++k) {
    scores[k].resize(part[k].size());
    for (size_t j = 0; j < part[k].size(); ++j)
      if (part[k][j]) scores[k][j] = part[k][j];
  }
}

}  // namespace ilora
