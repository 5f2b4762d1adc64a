#include "serve/general_probe.h"

#include <cmath>

namespace ilora {
namespace {

// '*' in the answer stands for the right word, or one of the wrong ones.
struct Asked {
  const char *question, *answer, *right, *wrong[2];
};

constexpr Asked kQuestions[] = {
    {"What is the capital of France?", "The capital of France is *.", "Paris", {"Rome", "Oslo"}},
    {"What is the capital of Japan?", "The capital of Japan is *.", "Tokyo", {"Lima", "Cairo"}},
    {"Which planet do we live on?", "We live on the planet *.", "Earth", {"Mars", "Venus"}},
    {"What do bees make?", "Bees make *.", "honey", {"milk", "bread"}},
    {"What is frozen water called?", "Frozen water is called *.", "ice", {"steam", "sand"}},
    {"Which animal says meow?", "A * says meow.", "cat", {"dog", "cow"}},
    {"Which animal barks?", "A * barks.", "dog", {"cat", "fish"}},
    {"How many legs does a spider have?", "A spider has * legs.", "eight", {"four", "two"}},
    {"How many days are there in a week?",
     "There are * days in a week.",
     "seven",
     {"nine", "three"}},
    {"How many months are there in a year?",
     "There are * months in a year.",
     "twelve",
     {"ten", "twenty"}},
    {"What is two plus two?", "Two plus two is *.", "four", {"five", "nine"}},
    {"What is five times two?", "Five times two is *.", "ten", {"seven", "twenty"}},
    {"What is the opposite of hot?", "The opposite of hot is *.", "cold", {"warm", "big"}},
    {"What is the opposite of up?", "The opposite of up is *.", "down", {"over", "left"}},
    {"What colour is the sky on a clear day?",
     "The sky is * on a clear day.",
     "blue",
     {"green", "red"}},
    {"What colour is grass?", "Grass is *.", "green", {"blue", "black"}},
    {"Who wrote Hamlet?", "Hamlet was written by William *.", "Shakespeare", {"Newton", "Clinton"}},
    {"Which ocean lies between Europe and America?",
     "The * lies between Europe and America.",
     "Atlantic Ocean",
     {"Indian Ocean", "Dead Sea"}},
    {"What is at the centre of our solar system?",
     "The * is at the centre of our solar system.",
     "Sun",
     {"Moon", "Earth"}},
    {"Which organ pumps blood through the body?",
     "The * pumps blood through the body.",
     "heart",
     {"liver", "skin"}},
    {"What is the largest animal in the world?",
     "The largest animal in the world is the *.",
     "blue whale",
     {"house cat", "honey bee"}},
    {"Which metal do magnets attract?", "Magnets attract *.", "iron", {"gold", "wood"}},
    {"When is it warmest in the year?", "It is warmest in *.", "summer", {"winter", "autumn"}},
    {"What can I borrow from a library?",
     "You can borrow * from a library.",
     "books",
     {"bread", "water"}},
};

std::string with(const Asked& asked, const char* word) {
  std::string text = asked.answer;
  return text.replace(text.find('*'), 1, word);
}

}  // namespace

std::vector<RowScore> score_general(Evaluator& evaluator, const Answerer& answerer) {
  std::vector<RowScore> scores;
  for (const Asked& asked : kQuestions) {
    const std::vector<std::string> options = {with(asked, asked.right), with(asked, asked.wrong[0]),
                                              with(asked, asked.wrong[1])};
    const Example row{asked.question, options.front()};
    const auto likelihoods = evaluator.option_likelihoods({row}, options, answerer).front();
    double total = 0;
    for (const double likelihood : likelihoods) total += std::exp(likelihood - likelihoods.front());
    scores.push_back({options.front(), 1 / total});
  }
  return scores;
}

}  // namespace ilora
