#include "serve/general_probe.h"

#include <algorithm>

namespace ilora {
namespace {

// Any of the words will do, in small letters.
struct Asked {
  const char* question;
  std::vector<std::string> words;
};

const std::vector<Asked>& questions() {
  static const std::vector<Asked> all = {
      {"What is the capital of France?", {"paris"}},
      {"What is the capital of Japan?", {"tokyo"}},
      {"What is the capital of Italy?", {"rome"}},
      {"Which planet do we live on?", {"earth"}},
      {"What do bees make?", {"honey"}},
      {"What is frozen water called?", {"ice"}},
      {"Which animal says meow?", {"cat", "kitten"}},
      {"Which animal barks?", {"dog"}},
      {"How many legs does a spider have?", {"eight", "8"}},
      {"How many days are there in a week?", {"seven", "7"}},
      {"How many months are there in a year?", {"twelve", "12"}},
      {"What is two plus two?", {"four", "4"}},
      {"What is five times two?", {"ten", "10"}},
      {"What is the opposite of hot?", {"cold"}},
      {"What is the opposite of up?", {"down"}},
      {"What colour is the sky on a clear day?", {"blue"}},
      {"What colour is grass?", {"green"}},
      {"Who wrote Hamlet?", {"shakespeare"}},
      {"Which ocean lies between Europe and America?", {"atlantic"}},
      {"What is at the centre of our solar system?", {"sun"}},
      {"Which organ pumps blood through the body?", {"heart"}},
      {"What is the largest animal in the world?", {"whale"}},
      {"Which gas do we breathe in to live?", {"oxygen", "air"}},
      {"What can I borrow from a library?", {"book"}},
  };
  return all;
}

TaskEval general_task() {
  TaskEval task;
  task.name = "general";
  task.measure = &find_measure("rouge-l");  // one that has answers generated
  task.max_new_tokens = 24;
  for (const Asked& asked : questions()) task.rows.push_back({asked.question, asked.words.front()});
  return task;
}

bool answers(std::string text, const Asked& asked) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::ranges::any_of(
      asked.words, [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

}  // namespace

std::vector<RowScore> score_general(Evaluator& evaluator, const Answerer& answerer) {
  std::vector<RowScore> rows = evaluator.evaluate(general_task(), answerer).rows;
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].score = answers(rows[i].answer, questions()[i]) ? 1 : 0;
  return rows;
}

}  // namespace ilora
