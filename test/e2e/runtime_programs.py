# SPDX-License-Identifier: Apache-2.0
"""Programs that tests deploy: one that speaks the Lambda Runtime API by hand, and says exactly what it is told
to say."""

# A bootstrap. Its handler(event, headers) returns bytes, or answers by itself and returns None.
BOOTSTRAP = '''#!/usr/bin/python3
import base64, http.client, json, os, sys, time
API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime/"

class Runtime:
    def __init__(self):
        self.connection = http.client.HTTPConnection(API)

    def call(self, method, path, body=None, headers={}):
        self.connection.request(method, BASE + path, body, headers)
        reply = self.connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def error(self, path, error_type, message, headers={}):
        document = json.dumps({"errorType": error_type, "errorMessage": message})
        return self.call("POST", path, document, {"Lambda-Runtime-Function-Error-Type": error_type, **headers})

class Stream:
    """An answer that is written piece by piece."""
    def __init__(self, runtime, request_id, content_type, trailers=()):
        self.runtime, self.socket = runtime, runtime.connection
        self.socket.putrequest("POST", BASE + "invocation/" + request_id + "/response")
        self.socket.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
        self.socket.putheader("Transfer-Encoding", "chunked")
        self.socket.putheader("Content-Type", content_type)
        self.socket.putheader("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")
        self.socket.endheaders()

    def write(self, data):
        self.socket.send(b"%x\\r\\n" % len(data) + data + b"\\r\\n")

    def end(self, *trailers):
        self.socket.send(b"0\\r\\n" + b"".join(t.encode() + b"\\r\\n" for t in trailers) + b"\\r\\n")
        reply = self.socket.getresponse()
        reply.read()
        return reply.status

    def fail(self, error_type, document):
        return self.end("Lambda-Runtime-Function-Error-Type: " + error_type,
                        "Lambda-Runtime-Function-Error-Body: " + base64.b64encode(document.encode()).decode())

def serve(handler, runtime):
    while True:
        status, headers, body = runtime.call("GET", "invocation/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        answer = handler(runtime, json.loads(body), request_id, headers)
        if answer is not None:
            runtime.call("POST", "invocation/" + request_id + "/response", answer)

'''
