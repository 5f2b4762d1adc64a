#include "data/task_definition.h"

#include <algorithm>
#include <array>

#include "base/options.h"

namespace ilora {
namespace {

using Options = std::vector<std::string>;

const Options kAToC = {"A", "B", "C"};
const Options kAToD = {"A", "B", "C", "D"};
const Options kSentiment = {"very negative", "negative", "neutral", "positive", "very positive"};
const Options kTrueFalse = {"True", "False"};
const Options kGoodBad = {"Good", "Bad"};
const Options kEntailment = {"entailment", "neutral", "contradiction"};

// The eight tasks of the I-LoRA paper and two more of TRACE (Wang et al. 2023, arXiv 2310.06762),
// read as that paper's code reads them; then the fifteen of the long sequence (Razdaibiedina et al.
// 2023, arXiv 2301.12314) with O-LoRA's wording.
const std::array kDefinitions = {
    TaskDefinition{"C-STANCE", "choice", "choice-reference", kAToC, 8, "zh",
                   "stance of a text to a target: for, against, neutral"},
    TaskDefinition{"FOMC", "choice", "choice-reference", kAToC, 8, "en",
                   "monetary policy of a sentence: dovish, hawkish, neutral"},
    TaskDefinition{"MeetingBank", "rouge-l", "rouge-l", {}, 96, "en", "summary of a transcript"},
    // What is learned is "letter, line break, reason"; what counts is the letter.
    TaskDefinition{"ScienceQA",
                   "choice-letter",
                   "choice-first",
                   {},
                   4,
                   "en",
                   "school science: a letter and the reason"},
    TaskDefinition{
        "NumGLUE-cm", "number", "number", {}, 12, "en", "arithmetic with commonsense knowledge"},
    TaskDefinition{"20Minuten", "sari", "sari", {}, 128, "de", "simplification of a news text"},
    TaskDefinition{"MedMCQA", "choice", "choice-reference", kAToD, 8, "en",
                   "medical entrance exams"},
    TaskDefinition{"JEC-QA", "choice", "choice-reference", kAToD, 8, "zh",
                   "the judicial exam of China"},
    TaskDefinition{
        "NumGLUE-ds", "number", "number", {}, 12, "en", "arithmetic with domain knowledge"},
    TaskDefinition{
        "Py150", "code-similarity", "code-similarity", {}, 64, "code", "the next line of Python"},

    TaskDefinition{"AGNews",
                   "choice",
                   "choice-generated",
                   {"World", "Sports", "Business", "Science or Technology"},
                   8,
                   "en",
                   "topic of a news text"},
    TaskDefinition{"Amazon", "choice", "choice-generated", kSentiment, 8, "en",
                   "stars of a product review"},
    TaskDefinition{"Yelp", "choice", "choice-generated", kSentiment, 8, "en",
                   "stars of a business review"},
    TaskDefinition{"DBpedia",
                   "choice",
                   "choice-generated",
                   {"Company", "Educational Institution", "Artist", "Athlete", "Office Holder",
                    "Mean of Transportation", "Building", "Natural Place", "Village", "Animal",
                    "Plant", "Album", "Film", "Written Work"},
                   8,
                   "en",
                   "kind of an encyclopedia's entry"},
    TaskDefinition{"Yahoo",
                   "choice",
                   "choice-generated",
                   {"Society & Culture", "Science & Mathematics", "Health", "Education & Reference",
                    "Computers & Internet", "Sports", "Business & Finance", "Entertainment & Music",
                    "Family & Relationships", "Politics & Government"},
                   8,
                   "en",
                   "topic of a question"},
    TaskDefinition{"MNLI", "choice", "choice-generated", kEntailment, 8, "en",
                   "whether a sentence follows from another"},
    TaskDefinition{"QQP", "choice", "choice-generated", kTrueFalse, 8, "en",
                   "whether two questions ask the same"},
    TaskDefinition{"RTE",
                   "choice",
                   "choice-generated",
                   {"entailment", "contradiction"},
                   8,
                   "en",
                   "whether a sentence follows from another"},
    TaskDefinition{"SST-2", "choice", "choice-generated", kGoodBad, 8, "en",
                   "sentiment of a film review's sentence"},
    TaskDefinition{"WiC", "choice", "choice-generated", kTrueFalse, 8, "en",
                   "whether a word has one meaning in two sentences"},
    TaskDefinition{"CB", "choice", "choice-generated", kEntailment, 8, "en",
                   "whether a speaker is committed to a clause"},
    TaskDefinition{
        "COPA", "choice", "choice-reference", {"A", "B"}, 8, "en", "cause or effect of a sentence"},
    TaskDefinition{"BoolQA", "choice", "choice-generated", kTrueFalse, 8, "en",
                   "a yes-or-no question on a passage"},
    TaskDefinition{"MultiRC", "choice", "choice-generated", kTrueFalse, 8, "en",
                   "whether an answer to a question on a passage is right"},
    TaskDefinition{"IMDB", "choice", "choice-generated", kGoodBad, 8, "en",
                   "sentiment of a film review"},
};

}  // namespace

std::span<const TaskDefinition> task_definitions() {
  return kDefinitions;
}

const TaskDefinition* find_task_definition(const std::string& name) {
  const auto found = std::ranges::find(kDefinitions, name, &TaskDefinition::name);
  return found == kDefinitions.end() ? nullptr : &*found;
}

TaskDefinition definition_of(const std::filesystem::path& folder, const std::string& name) {
  const TaskDefinition* known = find_task_definition(name);
  TaskDefinition task = known != nullptr ? *known : TaskDefinition{.name = name};
  const std::filesystem::path file = folder / "task.yaml";
  if (!std::filesystem::exists(file)) return task;
  OptionList options;
  options.add("measure", &task.measure, "what `ilora measures` lists, or auto");
  options.add("generated", &task.generated, "the measure that reads generated text");
  options.add("options", &task.options, "what there is to choose from");
  options.add("max_new_tokens", &task.max_new_tokens, "of a generated answer", {.min = 0});
  options.add("language", &task.language, "of the texts");
  options.add("summary", &task.summary, "one line");
  options.load_yaml(file);
  return task;
}

}  // namespace ilora
