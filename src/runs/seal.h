// What a run's files say is noticed where it is not what was written: an object that is read again
// carries a hash of itself. Written by train/ and by `ilora analyze`; looked at by JsonReader
// (schema.h), so by whoever reads a file of a run.
#pragma once

#include <string>

#include "base/json.h"

namespace ilora {

// The object with a last key "hash": of all others, as they are written.
Json sealed(Json object);
// Whether the hash is of the other keys. What has none (an earlier version's, another
// program's) is taken as it is: true.
bool seal_holds(const Json& object);
// One line of a .jsonl file, without its end. A name in it may hold any bytes.
std::string sealed_line(Json object);

}  // namespace ilora
