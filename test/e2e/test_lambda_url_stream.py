# SPDX-License-Identifier: Apache-2.0
"""Function URLs of mode RESPONSE_STREAM: what functions stream, in Node.js, and what those make of it that
do not stream."""
import http.client
import json
import shutil

import pytest

from conftest import PATIENCE_S, zip_of
from http_support import make_function, make_python, send
from test_lambda_url import at, make_url

NODE = '''
const { setTimeout: sleep } = require("node:timers/promises");
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const ask = JSON.parse(event.body ?? "{}");
  if (ask.fail === "before") {
    throw new RangeError("not a piece");
  }
  if (ask.raw) {
    stream.setContentType("application/vnd.awslambda.http-integration-response");
    stream.write(ask.raw);
  } else if (ask.prelude) {
    stream = awslambda.HttpResponseStream.from(stream, ask.prelude);
  } else if (ask.type) {
    stream.setContentType(ask.type);
  }
  for (const piece of ask.pieces ?? []) {
    stream.write(piece);
    await sleep(5);
  }
  if (ask.fail === "middle") {
    throw new RangeError("no more");
  }
  if (ask.megabytes) {
    const piece = Buffer.alloc(1 << 20, "x");
    for (let i = 0; i < ask.megabytes; i++) {
      if (!stream.write(piece)) {
        await new Promise((resolve) => stream.once("drain", resolve));
      }
    }
  }
  stream.end();
});
'''


@pytest.fixture(scope="module")
def node(server):
    if not shutil.which("node"):
        pytest.skip("no node here")
    name = make_function(server, zip_of({"index.js": NODE}), "nodejs18.x", "index.handler")
    return name, make_url(server, name, InvokeMode="RESPONSE_STREAM",
                          Cors={"AllowOrigins": ["https://a.example"]})


def ask(server, node, **what):
    return send(server, at(node[1]), "POST", json.dumps(what).encode(),
                {"Content-Type": "application/json", "Origin": "https://a.example"})


def test_pieces(server, node):
    reply = ask(server, node, pieces=["one ", "two ", "three"], type="text/plain")
    assert (reply.status, reply.text) == (200, "one two three")
    assert reply.headers["content-type"] == "text/plain"
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["access-control-allow-origin"] == "https://a.example"


def test_prelude(server, node):
    reply = ask(server, node, pieces=["body"], prelude={
        "statusCode": 418, "headers": {"content-type": "text/tea", "X-A": "b"}, "cookies": ["c=d", "e=f"]})
    assert (reply.status, reply.text) == (418, "body")
    assert reply.headers["content-type"] == "text/tea" and reply.headers["x-a"] == "b"
    assert reply.cookies == ["c=d", "e=f"]
    reply = ask(server, node, pieces=["x"], prelude={"headers": {}})
    assert reply.status == 200 and reply.headers["content-type"] == "application/octet-stream"
    reply = ask(server, node, pieces=["x"], prelude={"statusCode": 204})
    assert (reply.status, reply.text) == (204, "")
    reply = send(server, at(node[1]), "HEAD")
    assert (reply.status, reply.text) == (200, "")


@pytest.mark.parametrize("what", [
    {"fail": "before"}, {"raw": "{\0\0\0\0\0\0\0\0body"}, {"raw": '{"statusCode": 99}' + "\0" * 8},
    {"raw": '{"statusCode": 200}'}, {"raw": "x" * 70_000}])
def test_what_is_no_response(server, node, what):
    reply = ask(server, node, **what)
    assert (reply.status, reply.text) == (502, "Internal Server Error")


def test_broken_streams_look_broken(server, node):
    with pytest.raises(http.client.IncompleteRead) as info:
        ask(server, node, pieces=["so far "], fail="middle")
    assert info.value.partial == b"so far "


def test_much(server, node):
    assert len(ask(server, node, megabytes=20).body) == 20 << 20


def test_clients_that_go_away(server, node):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("POST", at(node[1]), json.dumps({"megabytes": 8}),
                       {"Content-Type": "application/json"})
    connection.getresponse().read(1000)
    connection.close()
    assert ask(server, node, pieces=["still here"]).text == "still here"


def test_functions_that_do_not_stream(server):
    name = make_python(server, 'def handler(e, c):\n    if e["rawPath"] == "/raise":\n'
                               '        raise ValueError()\n    return {"statusCode": 418}\n')
    identifier = make_url(server, name, InvokeMode="RESPONSE_STREAM")
    reply = send(server, at(identifier))
    assert (reply.status, reply.json) == (200, {"statusCode": 418})  # as it is, as on AWS
    assert reply.headers["content-type"] == "application/octet-stream"
    assert send(server, at(identifier, "/raise")).status == 502
