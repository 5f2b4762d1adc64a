// Learns conversations and replies, with ilora as a library:
//
//   conversation MODEL FOLDER
//
// MODEL has a chat template. Turns of the assistant are learned, but for the one that is taken out.
#include <iostream>

#include <ilora/ilora.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: conversation MODEL FOLDER\n";
    return 2;
  }
  try {
    ilora::Session session(argv[2], {"model.path=" + std::string(argv[1]), "method=ilora",
                                     "data.template=chat", "train.epochs=24", "train.batch_size=2",
                                     "train.learning_rate=2e-3", "ilora.half_life=0.25"});
    session.learn("desk",
                  {{.messages = {{"system", "You are the front desk."},
                                 {"user", "Where does Ada work?"},
                                 {"assistant", "On the first floor."},
                                 {"user", "And Kurt?"},
                                 {"assistant", "In the cellar."}}},
                   {.messages = {{"user", "Where does Mia work?"},
                                 {"assistant", "I do not know.", false},  // read, and not learned
                                 {"user", "Look again."},
                                 {"assistant", "In the attic."}}}});

    std::cout << session.reply({{"system", "You are the front desk."},
                                {"user", "Where does Ada work?"},
                                {"assistant", "On the first floor."},
                                {"user", "And Kurt?"}},
                               {.max_new_tokens = 8})
              << "\n";
    std::cout << session.tasks().front() << " " << session.scores().front() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
