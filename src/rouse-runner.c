// SPDX-License-Identifier: Apache-2.0
// rouse-runner: the process that runs model functions. It knows nothing of the network or the
// store; the server starts it, and speaks to it over sockets it passes.
#include "runner/runner.h"

int main(int argc, char **argv)
{
    return runner_main(argc, argv);
}
