// Reads a choice or a number out of generated text. Called by the measures in measure.cpp,
// by task_eval.cpp and task_check.cpp.
//
// "reference": as the I-LoRA paper's code (which47/LLMCL) and TRACE read them, with Python's
// expressions [A-D] and \d+\.?\d*. "strict": what a reader would accept as an answer.
#pragma once

#include <string>
#include <string_view>

namespace ilora {

// A text without white space, as Python's str.strip() has it, and byte order marks at its ends.
std::string trimmed(std::string_view text);

// The first A, B, C or D anywhere in the text, even inside a word; empty where there is none.
std::string choice_reference(std::string_view text);
// The text's first character where it is A, B, C or D: ScienceQA's "letter, line break, reason".
std::string choice_first(std::string_view text);
// The letter A to Z that the text begins with, standing alone: white space and one opening bracket
// or quotation mark may precede it, no letter or digit may follow. "B", "(B) because", "B." count;
// "Because", "the answer is B" do not.
std::string choice_strict(std::string_view text);

// Whether no letter or digit that would go on with a word stands at `at`. East Asian characters do
// not: such text has no spaces.
bool word_ends(std::string_view text, size_t at);

// How many options a prompt lists: lines that begin with A, B, C, … in this order, each letter
// followed by a full stop, a colon or a bracket. Where there are several such lists, the last.
size_t letters_offered(std::string_view prompt);

// The first run of digits (of any script, as Python's \d), with a decimal point and what follows it;
// no sign, "7." keeps its point.
std::string number_reference(std::string_view text);
// The first number with sign, decimal point, thousands commas and exponent ("-1,234.5" is -1234.5;
// "1,5" is 1 and goes no further, so does "0,125"; "COVID-19" has 19; "-$5" is -5; "1e-3" is itself),
// or the first fraction ("1/2"; a date, "1/2/2024", has 1; "3 1/2" and "3½" are 7/2); empty where there is none. Digits
// are of any script (plain_digits.h).
std::string first_number(std::string_view text);
// The text, if it is a number and nothing else; empty otherwise.
std::string number_strict(std::string_view text);

}  // namespace ilora
