// Two texts compared character by character or word by word.
#pragma once

#include <string>

namespace ilora {

// 2 * (longest common subsequence) / (both lengths), in Unicode characters: 0..1, two empty texts
// are the same. Agrees with rapidfuzz's `fuzz.ratio` / 100.
double edit_similarity(const std::string& a, const std::string& b);

// Python tokens as Py150 writes them, as TRACE compares them: <NUM_LIT> is 0, <STR_LIT> and
// <CHAR_LIT> are nothing, <STR_LIT:x> and the like are x. As with TRACE all literals are found first,
// then each is written out wherever it stands.
std::string plain_literals(const std::string& code);

// The text as SQuAD compares answers: lower case, no ASCII punctuation, no English article, single
// spaces.
std::string squad_normal(const std::string& text);
// F1 over the words of the two normal forms, each counted as often as it occurs; 0 where they share
// none, and 1 where both are empty.
double token_f1(const std::string& given, const std::string& expected);

}  // namespace ilora
