#include "serve/carry_served.h"

#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "runs/seal.h"
#include "serve/durable_lines.h"
#include "serve/taught_rows.h"
#include "session/unlearn.h"

namespace ilora {

namespace fs = std::filesystem;

void carry_served(const RunFolder& from, const RunFolder& to, const std::set<std::string>& hashes) {
  const fs::path old = from.path("serve"), place = to.path("serve");
  if (!fs::is_directory(old)) return;
  const FolderLock lock(old);  // no server of it runs
  make_folder(place);
  for (const char* name : {"journal.jsonl", "epochs"})
    if (fs::exists(old / name)) write_file_atomic(place / name, read_file(old / name));
  std::string text;
  for (Json& event : read_durable_lines(old / "taught.jsonl").objects) {
    for (const char* list : {"rows", "train", "test"}) {
      if (!event.contains(list)) continue;
      for (Json& row : event[list])  // of a task, numbers of rows
        if (row.is_object() && hashes.contains(row_hash(taught_row(row)))) row = blank_taught_row();
    }
    event.erase("hash");
    text += sealed_line(event) + "\n";
  }
  if (!text.empty()) write_file_atomic(place / "taught.jsonl", text);
}

}  // namespace ilora
