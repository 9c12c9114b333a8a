// SPDX-License-Identifier: Apache-2.0
// The Node.js runtime: asks the Lambda Runtime API for events and calls the handler. Only Node's own
// modules are used, and of those few: the API is spoken over one plain socket, since loading
// node:http and going through it costs more than the echo of an event.
//
// With ROUSE_STOCK set it starts ahead of time and waits, with everything loaded but the function,
// until it is told that the function is needed (GET /2018-06-01/rouse/begin).
import net from "node:net";
import fs from "node:fs";
import path from "node:path";
import util from "node:util";
import { createRequire } from "node:module";
import { Writable, finished } from "node:stream";
import { pathToFileURL } from "node:url";

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const ANSWER_MAX = 6 * 1024 * 1024 + 100;
const API = "/2018-06-01/runtime";
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");

// ---- the Runtime API over one connection, one request at a time ----

class Api {
  constructor() {
    this.chunks = [];
    this.size = 0;
    this.wanted = 0; // bytes without which there is nothing to look at
    this.waiting = null;
    this.early = null; // an answer to a request that is still being written
  }

  connect() {
    return new Promise((resolve, reject) => {
      this.socket = net.connect({ host, port: Number(port), noDelay: true }, resolve);
      this.socket.on("data", (chunk) => this.take(chunk));
      this.socket.on("error", reject);
      this.socket.on("close", () => process.exit(0)); // the server has let go of us
    });
  }

  take(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (this.size < this.wanted) {
      return;
    }
    const all = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    this.chunks = [all];
    const end = all.indexOf("\r\n\r\n");
    if (end < 0) {
      return;
    }
    const lines = all.latin1Slice(0, end).split("\r\n");
    const headers = {};
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.wanted = end + 4 + Number(headers["content-length"] || 0);
    if (this.size < this.wanted) {
      return;
    }
    const answer = {
      status: Number(lines[0].split(" ")[1]),
      headers,
      body: all.subarray(end + 4, this.wanted),
    };
    this.chunks = this.size > this.wanted ? [all.subarray(this.wanted)] : [];
    this.size -= this.wanted;
    this.wanted = 0;
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting) {
      waiting(answer);
    } else {
      this.early = answer;
    }
  }

  answer() {
    return new Promise((resolve) => {
      if (this.early) {
        resolve(this.early);
        this.early = null;
      } else {
        this.waiting = resolve;
      }
    });
  }

  get(target) {
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
    return this.answer();
  }

  post(target, body, headers = "") {
    const bytes = Buffer.from(body);
    this.socket.cork();
    this.socket.write(
      `POST ${target} HTTP/1.1\r\nHost: ${host}:${port}\r\nContent-Type: application/json\r\n` +
        `${headers}Content-Length: ${bytes.length}\r\n\r\n`,
      "latin1",
    );
    this.socket.write(bytes);
    this.socket.uncork();
    return this.answer();
  }

  fail(target, document) {
    const type = headerText(document.errorType || "Error");
    const headers = `Lambda-Runtime-Function-Error-Type: ${type}\r\n`;
    return this.post(target, JSON.stringify(document), headers);
  }
}

function headerText(text) {
  return String(text).replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

// ---- logging: a line says when, for which request, and how grave ----

const log = { requestId: undefined, json: process.env.AWS_LAMBDA_LOG_FORMAT === "JSON", store: null };

function requestId() {
  return log.store ? log.store.getStore() : log.requestId;
}

function logLine(level, text) {
  const when = new Date().toISOString();
  const line = log.json
    ? JSON.stringify({ timestamp: when, level, requestId: requestId(), message: text })
    : `${when}\t${requestId()}\t${level}\t${text}`;
  fs.writeSync(1, line + "\n");
}

function consolePatch() {
  const levels = { log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", debug: "DEBUG" };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...values) => logLine(level, util.format(...values));
  }
  console.trace = (...values) => {
    const stack = new Error().stack.split("\n").slice(2).join("\n");
    logLine("TRACE", `Trace: ${util.format(...values)}\n${stack}`);
  };
}

// ---- errors, as Lambda's documents and log lines ----

function isError(value) {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

function documentOf(error) {
  if (isError(error)) {
    return {
      errorType: error.name,
      errorMessage: error.message,
      trace: String(error.stack).split("\n"),
    };
  }
  const message = error === undefined || error === null ? String(error) : error.toString();
  return { errorType: typeof error, errorMessage: message, trace: [] };
}

function logError(what, error) {
  let shown = error;
  if (isError(error)) {
    shown = { errorType: error.name, errorMessage: error.message };
    if (error.code) {
      shown.code = error.code;
    }
    for (const key of Object.keys(error)) {
      shown[key] ??= error[key];
    }
    shown.stack = String(error.stack).split("\n");
  }
  let text;
  try {
    text = JSON.stringify(shown);
  } catch {
    text = String(shown);
  }
  logLine("ERROR", `${what} \t${text}`);
}

function errorNamed(name, message, from) {
  const error = new Error(message);
  Object.defineProperty(error, "name", { value: name, configurable: true });
  const stack = String((from && from.stack) || error.stack).split("\n");
  error.stack = [`${name}: ${message}`, ...stack.filter((line) => line.startsWith("    at "))].join("\n");
  return error;
}

// ---- the function ----

function fileFind(base) {
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    if (fs.existsSync(base + extension) && fs.statSync(base + extension).isFile()) {
      return base + extension;
    }
  }
  return null;
}

async function moduleLoad(root, folder, name) {
  const base = path.resolve(root, folder, name);
  const file = fileFind(base);
  const require = createRequire("/var/runtime/index.mjs"); // what a stack of requires ends with
  if (file && file.endsWith(".mjs")) {
    return import(pathToFileURL(file));
  }
  try {
    return require(file || require.resolve(folder ? base : name, { paths: [root] }));
  } catch (error) {
    if (file && (error.code === "ERR_REQUIRE_ESM" || /import statement outside|Unexpected token 'export'|await is only valid/.test(error.message))) {
      return import(pathToFileURL(file));
    }
    if (!file && error.code === "MODULE_NOT_FOUND") {
      error.message = `Cannot find module '${name}'\nRequire stack:\n- /var/runtime/index.mjs`;
    }
    throw error;
  }
}

async function handlerLoad(root, spec) {
  if (!spec || spec.includes("..")) {
    throw errorNamed("Runtime.MalformedHandlerName",
      `'${spec}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const file = path.basename(spec);
  const folder = spec.slice(0, spec.length - file.length);
  const parts = /^([^.]*)\.(.*)$/.exec(file);
  if (!parts || !parts[1] || !parts[2]) {
    throw errorNamed("Runtime.MalformedHandlerName", "Bad handler");
  }
  let module;
  try {
    module = await moduleLoad(root, folder, parts[1]);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw errorNamed("Runtime.UserCodeSyntaxError", error.toString(), error);
    }
    if (error && (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND")) {
      throw errorNamed("Runtime.ImportModuleError", error.toString(), error);
    }
    throw error;
  }
  const find = (from) => parts[2].split(".").reduce((at, key) => at && at[key], from);
  const handler = find(module) ?? find(module.default);
  if (!handler) {
    throw errorNamed("Runtime.HandlerNotFound", `${spec} is undefined or not exported`);
  }
  if (typeof handler !== "function") {
    throw errorNamed("Runtime.HandlerNotFound", `${spec} is not a function`);
  }
  return handler;
}

function contextOf(headers) {
  const env = process.env;
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed("lambda-runtime-client-context"),
    identity: parsed("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// ---- one invocation ----

let onLoopEmpty = null; // what an empty event loop means for the handler that runs

// Calls the handler as callback and as async function, whichever it is. The answer of a callback waits
// for the event loop to be empty, unless the context says otherwise.
function handlerCall(handler, event, context) {
  return new Promise((resolve, reject) => {
    let over = false;
    const settle = (error, value) => {
      onLoopEmpty = null;
      return error ? reject(error) : resolve(value);
    };
    const done = (error, value) => {
      if (over) {
        return;
      }
      over = true;
      if (error || !context.callbackWaitsForEmptyEventLoop || log.store) {
        settle(error ?? null, value);
      } else {
        onLoopEmpty = () => settle(null, value);
      }
    };
    context.done = done;
    context.succeed = (value) => {
      context.callbackWaitsForEmptyEventLoop = false;
      done(null, value);
    };
    context.fail = (error) => {
      context.callbackWaitsForEmptyEventLoop = false;
      done(error ?? "handled");
    };
    onLoopEmpty = () => settle(null, null);
    const result = handler(event, context, done);
    if (result && typeof result.then === "function") {
      result.then((value) => {
        over = true;
        settle(null, value);
      }, (error) => {
        over = true;
        onLoopEmpty = null;
        reject(error);
      });
    }
  });
}

function serialized(value) {
  try {
    return JSON.stringify(value === undefined ? null : value) ?? "null";
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

// What the handler writes goes out as it is written: chunks, and errors behind them.
class ResponseStream extends Writable {
  constructor(api, target, highWaterMark) {
    super({ highWaterMark });
    this.api = api;
    this.target = target;
    this.type = "application/octet-stream";
    this.begun = false;
  }

  setContentType(type) {
    if (this.begun) {
      throw errorNamed("InvalidStreamingOperation", "Cannot set content-type, too late.");
    }
    this.type = headerText(type);
  }

  begin() {
    if (!this.begun) {
      this.begun = true;
      this.api.socket.write(
        `POST ${this.target} HTTP/1.1\r\nHost: ${host}:${port}\r\nContent-Type: ${this.type}\r\n` +
          "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n" +
          "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n",
      );
    }
  }

  _write(chunk, encoding, next) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk);
    this.begin();
    if (bytes.length === 0) {
      next();
      return;
    }
    this.api.socket.write(`${bytes.length.toString(16)}\r\n`);
    this.api.socket.write(bytes);
    this.api.socket.write("\r\n", () => next());
  }

  close(trailers) {
    this.begin();
    this.api.socket.write(`0\r\n${trailers}\r\n`);
    return this.api.answer();
  }
}

async function streamRun(api, handler, event, context, target) {
  const stream = new ResponseStream(api, `${target}/response`, handler[HIGH_WATER_MARK]);
  const over = new Promise((resolve, reject) => {
    finished(stream, (error) => (error ? reject(error) : resolve()));
  });
  over.catch(() => {}); // looked at below, unless the handler itself fails
  try {
    await handler(event, stream, context);
    if (!stream.writableEnded) {
      stream.end();
    }
    await over;
    await stream.close("");
  } catch (error) {
    logError("Invoke Error", error);
    const document = documentOf(error);
    if (!stream.begun) {
      await api.fail(`${target}/error`, document);
      return;
    }
    const body = Buffer.from(JSON.stringify(document)).toString("base64");
    await stream.close(
      `Lambda-Runtime-Function-Error-Type: ${headerText(document.errorType)}\r\n` +
        `Lambda-Runtime-Function-Error-Body: ${body}\r\n`,
    );
  }
}

async function bufferedRun(api, handler, event, context, target) {
  let body;
  try {
    body = serialized(await handlerCall(handler, event, context));
  } catch (error) {
    logError("Invoke Error", error);
    api.socket.ref();
    await api.fail(`${target}/error`, documentOf(error));
    return;
  }
  api.socket.ref();
  const answer = await api.post(`${target}/response`, body);
  if (answer.status === 413) {
    logError("Invoke Error", errorNamed("Function.ResponseSizeTooLarge",
      `Response payload size exceeded maximum allowed payload size (${ANSWER_MAX} bytes).`));
  }
}

async function invocationRun(api, handler, next) {
  const context = contextOf(next.headers);
  const target = `${API}/invocation/${context.awsRequestId}`;
  log.requestId = context.awsRequestId;
  process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
  let event;
  try {
    event = JSON.parse(next.body);
  } catch (error) {
    logError("Invoke Error", error);
    await api.fail(`${target}/error`, documentOf(error));
    return;
  }
  if (handler[STREAMING]) {
    await streamRun(api, handler, event, context, target);
    return;
  }
  if (!log.store) {
    api.socket.unref(); // so that the event loop can be empty
  }
  await bufferedRun(api, handler, event, context, target);
}

// ---- life ----

function streamingGlobals() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (options && options.highWaterMark !== undefined) {
        handler[HIGH_WATER_MARK] = options.highWaterMark;
      }
      return handler;
    },
    HttpResponseStream: {
      from(stream, prelude) {
        stream.setContentType("application/vnd.awslambda.http-integration-response");
        stream.write(JSON.stringify(prelude));
        stream.write(Buffer.alloc(8));
        return stream;
      },
    },
  };
}

// An error that nobody caught ends the process; whoever waits for an answer hears of it first.
function dieOf(api, what, error, status) {
  logError(what, error);
  if (log.store) {
    process.exit(status); // whose error it is cannot be known
  }
  const target = log.requestId ? `${API}/invocation/${log.requestId}/error` : `${API}/init/error`;
  api.fail(target, documentOf(error)).then(() => process.exit(status));
}

function handlersOfLast(api) {
  process.on("beforeExit", () => {
    if (onLoopEmpty) {
      onLoopEmpty();
    }
  });
  process.on("uncaughtException", (error) => dieOf(api, "Uncaught Exception", error, 129));
  process.on("unhandledRejection", (reason, promise) => {
    const error = errorNamed("Runtime.UnhandledPromiseRejection", String(reason), isError(reason) ? reason : null);
    error.reason = reason;
    error.promise = promise;
    dieOf(api, "Unhandled Promise Rejection", error, 128);
  });
}

async function begin(api) {
  delete process.env.ROUSE_STOCK;
  const answer = await api.get("/2018-06-01/rouse/begin");
  for (const [name, value] of Object.entries(JSON.parse(answer.body).environment)) {
    if (!(name in process.env) || name.startsWith("AWS_")) {
      process.env[name] = value;
    }
  }
}

// One event after the other on this connection; AWS_LAMBDA_MAX_CONCURRENCY of these run beside each
// other in functions that ask for it.
async function serve(api, handler) {
  for (;;) {
    const next = await api.get(`${API}/invocation/next`);
    const run = () => invocationRun(api, handler, next);
    await (log.store ? log.store.run(next.headers["lambda-runtime-aws-request-id"], run) : run());
  }
}

async function main() {
  const api = new Api();
  await api.connect();
  consolePatch();
  streamingGlobals();
  if (process.env.ROUSE_STOCK) {
    await begin(api);
  }
  handlersOfLast(api);
  let handler;
  try {
    handler = await handlerLoad(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    logError("Uncaught Exception", error);
    await api.fail(`${API}/init/error`, documentOf(error));
    process.exit(1);
  }
  const most = Math.min(Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY) || 1, 64);
  if (most > 1) {
    const { AsyncLocalStorage } = createRequire(import.meta.url)("node:async_hooks");
    log.store = new AsyncLocalStorage();
  }
  for (let i = 1; i < most; i++) {
    const beside = new Api();
    await beside.connect();
    serve(beside, handler);
  }
  await serve(api, handler);
}

main();
