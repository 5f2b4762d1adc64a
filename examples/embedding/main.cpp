// A program that learns as it goes, with ilora as a library:
//
//   embedding MODEL FOLDER
//
// teaches the model two small tasks in a row, asks about the first one again, and says where the
// adapter is. A program that answers while it learns loads an ilora::Model and gives it to two
// sessions, each used by a thread of its own (ilora/ilora.h).
#include <iostream>

#include <ilora/ilora.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: embedding MODEL FOLDER\n";
    return 2;
  }
  try {
    ilora::Session session(argv[2], {"model.path=" + std::string(argv[1]), "method=ilora",
                                     "train.epochs=8", "train.learning_rate=2e-3"});
    session.learn("colours", {{"What colour is the door?", " green"},
                              {"What colour is the roof?", " red"},
                              {"What colour is the gate?", " green"}});
    session.learn("rooms", {{"Where does Ada work?", " on the first floor"},
                            {"Where does Kurt work?", " in the cellar"}});

    std::cout << session.answer("What colour is the roof?", {.max_new_tokens = 8}) << "\n";
    for (size_t i = 0; i < session.tasks().size(); ++i)
      std::cout << session.tasks()[i] << " " << session.scores()[i] << "\n";
    std::cout << "adapter: " << session.adapter_folder() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
