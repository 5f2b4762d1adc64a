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

// "instruction", "input", "output": a prompt and an answer; with "system" or "history" (pairs of
// question and answer) a conversation, unless templates.pairs puts them in front of the prompt. Throws
// Error(kData) naming record and field.
std::vector<ImportedRow> alpaca_rows(std::span<const Record> records,
                                     const ImportTemplates& templates);

// "conversations" of {"from","value"}, or "messages" of {"role","content"}, with "system" beside
// them: a conversation each, whose answers say whether they are learned ("weight", "train", "loss").
// With templates.pairs a row for each answer that is learned, whose prompt is all that was said
// before. A record of which nothing is learned gives no row.
std::vector<ImportedRow> conversation_rows(std::span<const Record> records,
                                           const ImportTemplates& templates);

// Names of fields that the records, or their turns, have and that say nothing about a row here: for a
// line that names them.
std::set<std::string> alpaca_unread(std::span<const Record> records);
std::set<std::string> conversation_unread(std::span<const Record> records);

}  // namespace ilora
