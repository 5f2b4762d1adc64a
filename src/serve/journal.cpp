#include "serve/journal.h"

#include <algorithm>
#include <chrono>

#include "model/peft.h"
#include "runs/schema.h"
#include "serve/durable_lines.h"
#include "serve/request_error.h"

namespace ilora {

namespace fs = std::filesystem;

Journal::Journal(const RunFolder& folder)
    : folder_(folder), file_(folder.path() / "serve" / "journal.jsonl") {
  DurableLines read = read_durable_lines(file_);
  warnings_ = std::move(read.warnings);
  for (const Json& object : read.objects) {
    try {
      entries_.push_back(JsonReader::parse<JournalEntry>(object, {file_.string(), ""}));
    } catch (const Error& e) {
      warnings_.push_back(fmt::format("{}; the line is left out", e.what()));
    }
  }
}

const JournalEntry* Journal::of_task(const std::string& task) const {
  for (const JournalEntry& entry : entries_)
    if (!task.empty() && entry.task == task) return &entry;
  return nullptr;
}

fs::path Journal::deployed() const {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->adapter.empty()) continue;
    fs::path adapter = folder_.path() / entry->adapter;
    if (fs::is_directory(adapter)) return adapter;
  }
  return {};
}

const JournalEntry& Journal::add(JournalEntry entry) {
  entry.number = next();
  entry.time = std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count();
  add_durable_line(file_, json_of(entry));
  entries_.push_back(std::move(entry));
  return entries_.back();
}

const JournalEntry& Journal::deploy(JournalEntry entry, const Adapter& adapter,
                                    const std::string& base_model) {
  entry.kind = JournalEntry::kDeployed;
  entry.adapter = (fs::path("serve") / "deployed" / fmt::format("{:04}", next())).string();
  // A folder of this name that nobody entered is what a stopped server left.
  save_peft(folder_.path() / entry.adapter, adapter, base_model);
  return add(std::move(entry));
}

const JournalEntry& Journal::roll_back(int64_t number) {
  const auto to = std::ranges::find(entries_, number, &JournalEntry::number);
  if (to == entries_.end() || to->adapter.empty() ||
      !fs::is_directory(folder_.path() / to->adapter))
    throw RequestError(kNotFound,
                       fmt::format("[serve] entry {} of the journal deployed nothing that "
                                   "is still there",
                                   number));
  JournalEntry entry;
  entry.kind = JournalEntry::kRolledBack;
  entry.adapter = to->adapter;
  entry.reason = fmt::format("back to entry {}", number);
  return add(std::move(entry));
}

}  // namespace ilora
