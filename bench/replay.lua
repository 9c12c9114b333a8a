-- SPDX-License-Identifier: Apache-2.0
-- For wrk: sends the requests of a file (bench/rig.py writes it) in order, over and over, and
-- prints what bench/rig.py reads: answers, microseconds, p50, p99, wrong answers.

local requests = {}
local at = 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    while true do
        local size = file:read("*n")
        if not size then break end
        file:read(1) -- the end of the line
        requests[#requests + 1] = file:read(size)
    end
    file:close()
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency, requests_of_threads)
    local errors = summary.errors
    local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
                           latency:percentile(50), latency:percentile(99), wrong))
end
