#include "serve/general_probe.h"

namespace ilora {
namespace {

struct Asked {
  const char* question;
  const char* answer;
};

constexpr Asked kQuestions[] = {
    {"What is the capital of France?", "The capital of France is Paris."},
    {"What is the capital of Japan?", "The capital of Japan is Tokyo."},
    {"Which planet do we live on?", "We live on the planet Earth."},
    {"What do bees make?", "Bees make honey."},
    {"What is frozen water called?", "Frozen water is called ice."},
    {"Which animal says meow?", "A cat says meow."},
    {"Which animal barks?", "A dog barks."},
    {"How many legs does a spider have?", "A spider has eight legs."},
    {"How many days are there in a week?", "There are seven days in a week."},
    {"How many months are there in a year?", "There are twelve months in a year."},
    {"What is two plus two?", "Two plus two is four."},
    {"What is five times two?", "Five times two is ten."},
    {"What is the opposite of hot?", "The opposite of hot is cold."},
    {"What is the opposite of up?", "The opposite of up is down."},
    {"What colour is the sky on a clear day?", "The sky is blue on a clear day."},
    {"What colour is grass?", "Grass is green."},
    {"Who wrote Hamlet?", "Hamlet was written by William Shakespeare."},
    {"Which ocean lies between Europe and America?",
     "The Atlantic Ocean lies between Europe and America."},
    {"What is at the centre of our solar system?", "The Sun is at the centre of our solar system."},
    {"Which organ pumps blood through the body?", "The heart pumps blood through the body."},
    {"What is the largest animal in the world?",
     "The largest animal in the world is the blue whale."},
    {"Which metal do magnets attract?", "Magnets attract iron."},
    {"How do I say good morning in German?", "Good morning in German is Guten Morgen."},
    {"What can I borrow from a library?", "You can borrow books from a library."},
};

}  // namespace

TaskEval general_probe() {
  TaskEval task;
  task.name = "general";
  task.measure = &find_measure("likelihood");
  for (const Asked& asked : kQuestions) task.rows.push_back({asked.question, asked.answer});
  return task;
}

}  // namespace ilora
