#include "tensor/arena.h"
#include "tests/unit/base/error_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

namespace ilora {
namespace {

using testing::HasSubstr;

struct Layout {
  Tensor a, b, scratch, again;
  void operator()(Arena& arena) {
    a = arena.take("a", DType::kF32, {3, 5});
    const size_t mark = arena.mark();
    scratch = arena.take("scratch", DType::kF64, {100});
    arena.rewind(mark);
    again = arena.take("again", DType::kBF16, {7});
    b = arena.take("b", DType::kI32, {2, 2, 2});
  }
};

TEST(Arena, MeasuringGivesShapesWithoutMemory) {
  Arena arena;
  arena.begin();
  const Tensor t = arena.take("t", DType::kF32, {4, 2});
  EXPECT_FALSE(t);
  EXPECT_EQ(t.size(), 8);
  EXPECT_EQ(arena.capacity(), 0u);
}

TEST(Arena, PlacesAlignedAndApart) {
  Arena arena;
  Layout layout;
  arena.lay_out(layout);
  for (const Tensor& t : {layout.a, layout.b, layout.scratch, layout.again}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(t.data) % Arena::kAlign, 0u);
    std::memset(t.data, 0xff, static_cast<size_t>(t.bytes()));  // a sanitizer sees any overflow
  }
  // a and the two after the rewind live together; the scratch shares memory with the latter alone.
  std::memset(layout.a.data, 1, static_cast<size_t>(layout.a.bytes()));
  std::memset(layout.again.data, 2, static_cast<size_t>(layout.again.bytes()));
  std::memset(layout.b.data, 3, static_cast<size_t>(layout.b.bytes()));
  const auto filled = [](const Tensor& t, char value) {
    const auto bytes = static_cast<size_t>(t.bytes());
    return std::string_view(static_cast<const char*>(t.data), bytes) == std::string(bytes, value);
  };
  EXPECT_TRUE(filled(layout.a, 1));
  EXPECT_TRUE(filled(layout.again, 2));
  EXPECT_TRUE(filled(layout.b, 3));
  EXPECT_EQ(layout.scratch.data, layout.again.data);
  EXPECT_EQ(arena.bytes(), 64u + 832u);  // 60 bytes on one line, 800 on thirteen
}

TEST(Arena, ListsEveryTensor) {
  Arena arena;
  Layout layout;
  arena.lay_out(layout);
  ASSERT_EQ(arena.entries().size(), 4u);
  EXPECT_STREQ(arena.entries()[1].name, "scratch");
  EXPECT_EQ(arena.entries()[1].bytes, 800);
  EXPECT_EQ(arena.entries()[2].bytes, 14);
  EXPECT_EQ(arena.entries()[3].offset, 128u);
}

TEST(Arena, GrowsOnlyForMoreThanEverBefore) {
  Arena arena;
  Tensor t;
  const auto take = [&](int64_t count) {
    arena.lay_out([&](Arena& a) { t = a.take("t", DType::kF32, {count}); });
    return t.data;
  };
  void* first = take(1000);
  EXPECT_EQ(arena.capacity(), 4032u);
  EXPECT_EQ(take(10), first);
  EXPECT_EQ(take(1008), first);
  EXPECT_EQ(arena.capacity(), 4032u);
  take(1009);
  EXPECT_EQ(arena.capacity(), 4096u);
}

TEST(Arena, EmptyTensorsTakeNothing) {
  Arena arena;
  Tensor t;
  arena.lay_out([&](Arena& a) { t = a.take("t", DType::kF32, {0, 5}); });
  EXPECT_FALSE(t);
  EXPECT_EQ(arena.capacity(), 0u);
}

TEST(Arena, PlacingMustRepeatTheMeasuring) {
  Arena arena;
  arena.begin();
  arena.take("x", DType::kF32, {4});
  arena.commit();
  EXPECT_THAT(message_of([&] { arena.take("y", DType::kF32, {5}); }),
              HasSubstr("y (20 bytes at 0) was measured as x"));

  arena.begin();
  arena.take("x", DType::kF32, {4});
  arena.commit();
  arena.take("x", DType::kF32, {4});
  EXPECT_THAT(message_of([&] { arena.take("z", DType::kF32, {4}); }),
              HasSubstr("z was not measured"));

  int calls = 0;
  const auto forgetful = [&](Arena& a) {
    if (calls++ == 0) a.take("x", DType::kF32, {4});
  };
  EXPECT_THAT(message_of([&] { arena.lay_out(forgetful); }), HasSubstr("0 of 1 tensors placed"));
  EXPECT_THAT(message_of([&] { arena.commit(); }), HasSubstr("without begin"));
  EXPECT_THAT(message_of([&] { arena.rewind(arena.mark() + 1); }), HasSubstr("rewind"));
}

}  // namespace
}  // namespace ilora
