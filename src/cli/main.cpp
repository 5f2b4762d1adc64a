// The command line's entry: the subcommands live one file each beside this one.
#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::puts("ilora " ILORA_VERSION);
    return 0;
  }
  std::fputs("usage: ilora --version\n", stderr);
  return 2;
}
