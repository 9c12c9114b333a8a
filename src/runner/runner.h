// SPDX-License-Identifier: Apache-2.0
// The program rouse-runner.
#pragma once

// The exit status. Does not return in templates, nor in what they forked.
int runner_main(int argc, char **argv);
