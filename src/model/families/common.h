// What families share in reading their files: functions that a family's reader calls, in the order
// it likes.
#pragma once

#include <string>

#include "model/families/family.h"

namespace ilora {

// Throws Error(kUnsupported): `what` is not computed, or not verified. `hint` says what is known.
[[noreturn]] void refuse(const std::string& where, const std::string& what,
                         const std::string& hint = {});

// Throws Error(kFormat) where a size is none, or more than any model's. To be called before anything
// is made of a size.
void require_sizes(const ModelConfig& config, const std::string& where);

// A dense decoder whose layers are all alike: sizes, norm epsilon, rotary positions, tied head, and
// a default BlockConfig per layer, for the family to change where it differs. Refuses by name what
// a file may ask for and no block computes: another activation than SiLU, attention that looks
// ahead, experts, other rotary scalings.
void read_decoder(const FolderKeys& keys, ModelConfig& config);
void read_decoder(const GgufKeys& keys, ModelConfig& config);

}  // namespace ilora
