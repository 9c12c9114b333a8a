// SPDX-License-Identifier: Apache-2.0
// The program rouse: the command line, of which the server is one verb.
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
