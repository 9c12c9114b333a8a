// SPDX-License-Identifier: Apache-2.0
// The function of every client here: greets, or fails as told.
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

public class Greeter implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        if (event.get("fail") != null) {
            throw new IllegalArgumentException("no greeting for " + event.get("fail"));
        }
        if (event.get("exit") != null) {
            Runtime.getRuntime().halt(((Number) event.get("exit")).intValue());
        }
        return Map.of("greeting", "Hello " + event.get("name"), "requestId", context.getAwsRequestId());
    }
}
