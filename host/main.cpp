// The program `synckit`: see cli/cli.hpp.
#include "cli/cli.hpp"

int main(int argc, char** argv) { return synckit::cli::run(argc, argv); }
