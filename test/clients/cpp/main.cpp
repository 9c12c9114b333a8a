// SPDX-License-Identifier: Apache-2.0
// The function of every client here: greets, or fails as told.
#include <aws/lambda-runtime/runtime.h>

#include <cstdlib>
#include <string>

using namespace aws::lambda_runtime;

static std::string field(const std::string &json, const std::string &name)
{
    std::size_t at = json.find("\"" + name + "\"");
    at = at == std::string::npos ? at : json.find('"', json.find(':', at));
    return at == std::string::npos ? "" : json.substr(at + 1, json.find('"', at + 1) - at - 1);
}

// The copy that comes with the Node client has a third parameter, for traces.
using text = const std::string &;
static invocation_response failed(invocation_response (*make)(text, text), text what, text type)
{
    return make(what, type);
}

static invocation_response failed(invocation_response (*make)(text, text, text), text what, text type)
{
    return make(what, type, "");
}

static invocation_response handle(const invocation_request &request)
{
    std::string fail = field(request.payload, "fail");
    if (!fail.empty()) {
        return failed(&invocation_response::failure, "no greeting for " + fail, "RangeError");
    }
    if (request.payload.find("\"exit\"") != std::string::npos) {
        std::_Exit(3);
    }
    return invocation_response::success("{\"greeting\":\"Hello " + field(request.payload, "name") +
                                            "\",\"requestId\":\"" + request.request_id + "\"}",
                                        "application/json");
}

int main()
{
    run_handler(handle);
    return 0;
}
