// Regular expressions over UTF-8, by PCRE2 with just-in-time compilation. Called by the
// pre-tokenizer.
//
// Tokenizer files are written for Oniguruma (Ruby syntax), where \s is the Unicode property
// White_Space; PCRE2's \s with UCP also takes U+180E. So \s and \S are rewritten to that property,
// and ^ and $ match at lines.
// Over all code points the classes then agree with Oniguruma's in tokenizers 0.23, but for
// U+1D2C0..U+1D2D3, digits since Unicode 15, which it does not know yet.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace ilora {

// What one thread needs to match; not shared between threads.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  RegexScratch& operator=(RegexScratch&&) noexcept;

 private:
  friend class Regex;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Regex {
 public:
  // Throws Error(kFormat) that names `where` and the offset of the mistake.
  Regex(std::string_view pattern, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // The first match at or after `start` in well-formed UTF-8; false where there is none. Safe from
  // many threads.
  bool find(std::string_view text, size_t start, RegexScratch& scratch, size_t& begin,
            size_t& end) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A pattern that matches `text` literally.
std::string escape_regex(std::string_view text);

}  // namespace ilora
