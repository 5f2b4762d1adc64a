// The original releases of the paper's tasks: from a record to the prompt and the answer that TRACE
// (for MedMCQA and JEC-QA: the first version of the I-LoRA paper's code) makes of it. The wording
// is that of the benchmark's rows, letter by letter. Called through the table in formats.cpp.
#pragma once

#include <span>
#include <vector>

#include "data/import/formats.h"

namespace ilora {

using OriginalRows = std::vector<ImportedRow>;

OriginalRows c_stance(std::span<const Record> records, const ImportTemplates&);
OriginalRows fomc(std::span<const Record> records, const ImportTemplates&);
OriginalRows meetingbank(std::span<const Record> records, const ImportTemplates&);
OriginalRows scienceqa(std::span<const Record> records, const ImportTemplates&);
OriginalRows numglue_cm(std::span<const Record> records, const ImportTemplates&);
OriginalRows numglue_ds(std::span<const Record> records, const ImportTemplates&);
OriginalRows twenty_minuten(std::span<const Record> records, const ImportTemplates&);
OriginalRows medmcqa(std::span<const Record> records, const ImportTemplates&);
OriginalRows jec_qa(std::span<const Record> records, const ImportTemplates&);

}  // namespace ilora
