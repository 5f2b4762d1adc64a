#include "bench/rows.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "bench/gemm_rate.h"

namespace ilora {
namespace {

constexpr int64_t kRowTokens = 256, kLabels = 16;

Row made_up_row(const ModelConfig& config, uint64_t id, int64_t tokens = kRowTokens) {
  const Random random(1, Stream::kTest, id);
  Row row;
  row.id = id;
  for (uint64_t i = 0; i <= static_cast<uint64_t>(tokens); ++i) {
    row.tokens.push_back(
        static_cast<int32_t>(random.below(i, static_cast<uint64_t>(config.vocabulary))));
  }
  row.prompt_length = tokens + 1 - kLabels;
  return row;
}

std::vector<Row> rows_of(const Json& list, const ModelConfig& config, const std::string& where,
                         uint64_t first_id) {
  std::vector<Row> rows;
  for (const Json& item : list) {
    Row& row = rows.emplace_back();
    row.tokens = item.at("tokens").get<std::vector<int32_t>>();
    row.prompt_length = item.at("prompt_length");
    row.id = first_id + rows.size();
    const bool known = std::all_of(row.tokens.begin(), row.tokens.end(),
                                   [&](int32_t id) { return id >= 0 && id < config.vocabulary; });
    if (!known || row.prompt_length < 1 || row.prompt_length > row.length()) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[bench] expected token ids below {} and a prompt_length from 1 to "
                              "the tokens less one (row {} of {})",
                              config.vocabulary, rows.size() - 1, where));
    }
  }
  return rows;
}

}  // namespace

BenchRows made_up_rows(const ModelConfig& config, int64_t tokens) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(tokens / kRowTokens, 2));
  BenchRows rows;
  for (uint64_t i = 0; i < count; ++i)
    (i < count / 2 ? rows.current : rows.replayed).push_back(made_up_row(config, i));
  return rows;
}

std::vector<Row> made_up_rows(const ModelConfig& config, int64_t count, int64_t tokens,
                              int64_t first_id) {
  std::vector<Row> rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(made_up_row(config, static_cast<uint64_t>(first_id + i), tokens));
  return rows;
}

BenchRows read_bench_rows(const std::filesystem::path& path, const ModelConfig& config) {
  const Json json = read_json(path);
  BenchRows rows;
  try {
    rows.current = rows_of(json.at("current"), config, "current in " + path.string(), 0);
    rows.replayed = rows_of(json.value("replayed", Json::array()), config,
                            "replayed in " + path.string(), rows.current.size());
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[bench] {} ({})", what_is_wrong(e), path.string()));
  }
  if (rows.current.empty()) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[bench] expected at least one current row ({})", path.string()));
  }
  return rows;
}

}  // namespace ilora
