// SPDX-License-Identifier: Apache-2.0
// `rouse-runner devices`: the device table, as one line of JSON:
//
//     {"ok": true, "engine": "onnxruntime 1.30.0", "devices": [{"name": "cpu", "provider":
//      "CPUExecutionProvider", "model": "…", "memoryBytes": 8589934592, "cores": 2}, …],
//      "missing": [{"device": "cuda", "why": "…"}]}
#pragma once

int devices_main(void); // the exit status
