// Llama (Touvron et al. 2023) and whatever calls itself so: Llama 2 and 3, SmolLM2, TinyLlama,
// Falcon 3; in GGUF Mistral too. Its block is the one that BlockConfig describes by default.
#include "model/families/common.h"

namespace ilora {

extern const ModelFamily kLlama = {.name = "Llama",
                                   .model_type = "llama",
                                   .architecture = "llama",
                                   .names = {.interleaved_in_gguf = true},
                                   .from_folder = read_decoder,
                                   .from_gguf = read_decoder};

}  // namespace ilora
