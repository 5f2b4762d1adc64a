// How long a model's products take with each kind of operand on this machine, measured: instruction
// sets do not tell. An Intel Xeon with avx512_bf16 and no AMX multiplies bf16 at half the rate of
// f32, an AMD Zen 4 at twice it. Used by train/mode_choice.h and by `ilora doctor`.
#pragma once

#include <cstdint>
#include <span>

namespace ilora {

// A frozen linear map, and how many of its shape a model has.
struct ProductShape {
  int64_t outputs = 0, inputs = 0, count = 0;
  bool operator==(const ProductShape&) const = default;
};

// Seconds of all products of some rows with the maps: forward and the gradient of their inputs.
struct ProductTimes {
  double f32 = 0;
  double bf16 = 0;           // by the CPU's own instructions; infinite where oneDNN has no code
  double bf16_expanded = 0;  // operands in bf16, expanded to f32 block by block
};

// Rows that keep a measurement near half a second on two cores: 512, fewer for large maps.
int64_t rows_to_time(std::span<const ProductShape> shapes);

// The fastest of three rounds of each, after one that is not counted, on the calling thread's count
// of threads. Needs memory for the largest map, in f32 and bf16.
ProductTimes time_products(std::span<const ProductShape> shapes, int64_t rows);

}  // namespace ilora
