// 64-bit hashes by which two texts or files are taken for the same. They are made to be fast: two
// that differ by accident differ in their hash, but whoever wants to can make two that do not.
// Called by train/made_from.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ilora {

// `seed`: what the hash goes on from, so that hashes of parts can be chained.
uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0);
uint64_t hash_text(std::string_view text, uint64_t seed = 0);

// Of a file of up to 128 MiB, all of it (94 MiB take 0.02 s). Of a larger one its size, its
// first 16 MiB (the header of a model file, with its tokenizer), its last MiB and 256 blocks of
// 64 KiB at equal distances: another model's weights differ in nearly every block, a single changed
// byte may be missed. Throws Error(kFile) where it cannot be read.
uint64_t hash_file(const std::filesystem::path& path);

std::string hash_digits(uint64_t hash);  // 16 hexadecimal digits, for JSON: no double holds it

}  // namespace ilora
