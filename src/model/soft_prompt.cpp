#include "model/soft_prompt.h"

#include <algorithm>

namespace ilora {
namespace {

// Soft-prompt rows of one adapter that follow each other, in the pack and in the adapter.
struct Stretch {
  const ActiveUse& use;
  int64_t begin, end;  // rows of the pack
  int64_t first;       // the adapter's soft-prompt row at `begin`
};

// The use that holds the segment's soft-prompt row k; k becomes its row there.
const ActiveUse& find_use(const PackedSegment& segment, int64_t& k) {
  const int64_t asked = k;
  for (const ActiveUse& use : segment.uses) {
    const int64_t rows = use.adapter->layout().prompts().rows;
    if (k < rows) return use;
    k -= rows;
  }
  ILORA_CHECK(false, "soft prompt {} of a segment with {}", asked, asked - k);
  return segment.uses.front();
}

template <class Visit>
void for_each_stretch(const Packed& packed, const Visit& visit) {
  for (const PackedSegment& segment : packed.segments) {
    for (int64_t n = segment.begin; n < segment.end;) {
      const int32_t id = packed.tokens[static_cast<size_t>(n)];
      if (!is_soft_prompt(id)) {
        ++n;
        continue;
      }
      int64_t k = soft_prompt_row(id);
      const ActiveUse& use = find_use(segment, k);
      const int64_t most = std::min(segment.end - n, use.adapter->layout().prompts().rows - k);
      int64_t count = 1;
      while (count < most && packed.tokens[static_cast<size_t>(n + count)] == id - count) ++count;
      visit(segment, Stretch{use, n, n + count, k});
      n += count;
    }
  }
}

}  // namespace

void soft_prompts_forward(const PassContext& ctx, Tensor hidden) {
  for_each_stretch(ctx.packed, [&](const PackedSegment&, const Stretch& s) {
    const Adapter& adapter = *s.use.adapter;
    const Tensor prompts = soft_prompts(adapter.values(), adapter.layout());  // (P,D)
    ctx.kernels.convert(hidden.rows(s.begin, s.end),
                        prompts.rows(s.first, s.first + s.end - s.begin));
  });
}

void soft_prompts_backward(const PassContext& ctx, Tensor dhidden) {
  for_each_stretch(ctx.packed, [&](const PackedSegment& segment, const Stretch& s) {
    if (!segment.gradient || !s.use.gradient) return;
    const Tensor dprompts = soft_prompts(s.use.gradient, s.use.adapter->layout());  // (P,D)
    ctx.kernels.add(dprompts.rows(s.first, s.first + s.end - s.begin),
                    dhidden.rows(s.begin, s.end));
  });
}

}  // namespace ilora
