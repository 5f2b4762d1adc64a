// What a server keeps beside its run goes over to the run that is trained anew without some rows (session/unlearn.h).
#pragma once

#include <set>
#include <string>

#include "runs/run_folder.h"

namespace ilora {

// Copies what was taught, without the texts of rows of these hashes (row_hash), and the journal. No deployed state goes over, for
// it may have learned from such a row: a server of the new run answers with the run's own. Nor do uploaded files, whose rows are
// in the tasks that were made of them. Does nothing where no server kept anything. Throws Error(kInUse) where a server runs.
void carry_served(const RunFolder& from, const RunFolder& to, const std::set<std::string>& hashes);

}  // namespace ilora
