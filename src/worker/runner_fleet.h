// SPDX-License-Identifier: Apache-2.0
// The fleet of the real world: instances forked from templates, each on a SEQPACKET channel of its
// own (wire.h).
#pragma once

#include "worker/fleet.h"

struct runtime_api;
struct store;
struct templates;

struct fleet *runner_fleet_new(struct loop *loop, struct store *store, struct templates *templates);
// Closes every channel: what runs ends by itself at its end of file. Call after dispatch_free.
void runner_fleet_free(struct fleet *fleet);
// Who serves the Lambda Runtime API of instances; borrowed. Before there is one, runtimes that need
// it cannot start.
void runner_fleet_serve(struct fleet *fleet, const struct runtime_api *api);
