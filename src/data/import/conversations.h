// Instructions and conversations as fine-tuning tools keep them: Alpaca's records, ShareGPT's
// conversations and OpenAI's messages. What such a record says of its rows is kept (system prompts,
// earlier turns, answers that are not to be learned) or refused by its name.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/import/formats.h"

namespace ilora {

// "instruction", "input", "output", with "system" and "history" (pairs of question and answer) in
// front of the prompt. Throws Error(kData) naming record and field.
std::vector<ImportedRow> alpaca_rows(std::span<const Record> records, const ImportTemplates&);

// "conversations" of {"from","value"}, or "messages" of {"role","content"}, with "system" beside
// them: a row for each answer that is to be learned, whose prompt is all that was said before. An
// answer with "weight": 0, "train": false or "loss": false is said before, and no row.
std::vector<ImportedRow> conversation_rows(std::span<const Record> records, const ImportTemplates&);

// Names of fields that the records, or their turns, have and that say nothing about a row here: for a
// line that names them.
std::set<std::string> alpaca_unread(std::span<const Record> records);
std::set<std::string> conversation_unread(std::span<const Record> records);

}  // namespace ilora
