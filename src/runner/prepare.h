// SPDX-License-Identifier: Apache-2.0
// `rouse-runner prepare`: checks a whole package and prepares its model, at deploy. Prints one
// line of JSON:
// {"ok":true,"task":…,"inputs":[…],"outputs":[…],"guessed":[…],"prepared":true,"reason":null} or
// {"ok":false,"error":"model.yaml:3:5: …"}.
#pragma once

// The exit status: 0, or 1 when the package is not usable. A model that cannot be prepared is no
// failure: the original stays in use, and `reason` says why.
int prepare_main(const char *package, const char *out, const char *handler);
