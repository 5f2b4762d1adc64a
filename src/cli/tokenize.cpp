// ilora tokenize: the token ids of a text, and the text of each.
#include <fmt/ranges.h>

#include <iostream>

#include "base/json.h"
#include "cli/command.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace ilora {

void add_tokenize(CLI::App& app) {
  struct Arguments {
    std::string model, text;
    bool special = false, json = false;
  };
  CLI::App* command = app.add_subcommand("tokenize", "show the tokens of a text");
  auto a = std::make_shared<Arguments>();
  command->add_option("text", a->text, "the text; - reads standard input")->required();
  command
      ->add_option("--model", a->model,
                   "a GGUF file or a folder with tokenizer.json or tokenizer.model")
      ->required();
  command->add_flag("--special", a->special, "recognise special tokens written in the text");
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    namespace fs = std::filesystem;
    // A folder may hold a tokenizer and no model, a file a vocabulary alone or a model that is not read.
    const Tokenizer tokenizer = fs::is_directory(a->model)
                                    ? Tokenizer::from_folder(a->model)
                                    : Tokenizer::from_gguf(GgufFile(fs::path(a->model)));
    if (a->text == "-") a->text.assign(std::istreambuf_iterator<char>(std::cin), {});
    const std::vector<int32_t> ids = tokenizer.encode(a->text, a->special);
    if (!a->json) {
      std::cout << fmt::format("{}\n", fmt::join(ids, " "));
      return;
    }
    Json json = {{"ids", ids}, {"tokens", Json::array()}};
    for (const int32_t id : ids) json["tokens"].push_back(tokenizer.decode({&id, 1}, false));
    std::cout << json_text(json) << "\n";
  });
}

}  // namespace ilora
