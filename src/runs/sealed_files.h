// Files of a run as they are written: schema.h's, with a hash of what they say (seal.h). They are read
// as any other.
#pragma once

#include "runs/schema.h"
#include "runs/seal.h"

namespace ilora {

template <class File>
void write_sealed(const RunFolder& folder, const File& file) {
  write_json(folder.path(File::kFile), sealed(json_of(file)));
}

template <class Line>
void append_sealed(const RunFolder& folder, const Line& line) {
  append_line(folder.path(Line::kFile), sealed_line(json_of(line)));
}

}  // namespace ilora
