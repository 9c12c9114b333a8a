# SPDX-License-Identifier: Apache-2.0
"""The Python runtime: a tree of forked templates that ends in instances.

Started by the server as `python3 bootstrap.py --template FD`. It speaks src/wire/wire.h on the
SEQPACKET socket FD: a SPAWN forks; the child either becomes a template of one function (imports
its module, runs its init code) or an instance that answers JOBS. Only the standard library is
used. What an instance does for one job is Lambda's contract for Python: handler(event, context).
"""

import array
import ctypes
import gc
import importlib
import json
import os
import random
import signal
import site
import socket
import stat
import struct
import sys
import time
import traceback
import types

MAGIC, VERSION = 0x45535552, 1
BODY_MAX = 128 * 1024
FDS_MAX = 200
INLINE_MAX = 16 * 1024
ANSWER_MAX = 6 * 1024 * 1024 + 100  # as Lambda
CONFIG_MAX = 1024 * 1024
TMP_KEPT_MAX = 16 * 1024 * 1024
SPAWN, SPAWNED, READY, JOBS, RESULT, WALLS = 1, 2, 3, 4, 5, 6
TEMPLATE, INSTANCE = 1, 2
INLINE, FD, MISSING = 0, 1, 2


class ProtocolError(Exception):
    """The peer sent what wire.h does not allow."""


# ---- the wire: header, fields in order, descriptors beside ----


class Reader:
    """Walks a received body; every step is bounded."""

    def __init__(self, body, fds):
        self.body, self.at, self.fds = body, 0, fds

    def take(self, size):
        if size > len(self.body) - self.at:
            raise ProtocolError("a message is shorter than it says")
        self.at += size
        return self.body[self.at - size : self.at]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def bytes(self):
        return self.take(self.u32())

    def text(self):
        return self.bytes().decode("utf-8", "replace")

    def place(self):
        """Bytes that lie in the message or in a passed descriptor."""
        kind = self.u32()
        if kind != FD:
            return self.bytes()
        index, offset, size = self.u32(), self.u64(), self.u64()
        if index >= len(self.fds):
            raise ProtocolError("a descriptor is missing")
        return os.pread(self.fds[index], size, offset)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def packed(data):
    return u32(len(data)) + data


def send(sock, kind, body, fds=()):
    header = struct.pack("<IHHII", MAGIC, VERSION, kind, len(body), len(fds))
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([header, body], control)


def receive(sock):
    """(kind, Reader), or None at the end of the file."""
    data, control, _, _ = sock.recvmsg(BODY_MAX + 16, socket.CMSG_SPACE(FDS_MAX * 4))
    fds = array.array("i")
    for level, what, payload in control:
        if level == socket.SOL_SOCKET and what == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % 4])
    if not data:
        return None
    if len(data) < 16:
        raise ProtocolError("a message without a header")
    magic, version, kind, size, fd_count = struct.unpack_from("<IHHII", data)
    if magic != MAGIC or version != VERSION or size != len(data) - 16 or fd_count != len(fds):
        raise ProtocolError("a message that is not one of ours")
    return kind, Reader(data[16:], list(fds))


def send_ready(sock, began, error=None):
    kind, message = error or ("", "")
    send(
        sock,
        READY,
        u32(os.getpid())
        + u64(int((time.monotonic() - began) * 1e6))
        + u32(1 if error else 0)
        + packed(kind.encode())
        + packed(message.encode("utf-8", "replace")[:60000]),
    )


# ---- the walls: librouse-jail.so, see src/sandbox/lib.h ----


class Jail:
    """What this process knows of its walls; loaded in the root, inherited by all."""

    lib = None
    root = False  # /var/task, /opt and /tmp are the function's own
    folders = ()
    notice = ""

    @classmethod
    def load(cls):
        cls.folders = own_folders()
        try:
            cls.lib = ctypes.PyDLL(os.environ.pop("ROUSE_JAIL", "librouse-jail.so"))
            cls.lib.rouse_jail_prepare()
        except OSError as e:
            cls.lib, cls.notice = None, str(e)

    @classmethod
    def fork(cls, template):
        """os.fork(), into a process tree of its own."""
        if cls.lib is None:
            return os.fork()
        ctypes.pythonapi.PyOS_BeforeFork()
        pid = cls.lib.rouse_jail_fork(1 if template else 0)
        if pid == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
        if pid < 0:
            raise OSError("cannot start a process")
        return pid

    @classmethod
    def enter(cls, sock, role, wanted):
        """Walls this process in, and says so. Nothing of the function was touched before."""
        if cls.lib is None:
            send(sock, WALLS, packed(b"all") + packed(cls.notice.encode()))
            return
        lines = [f"role={'template' if role == TEMPLATE else 'instance'}"]
        lines += [f"{name}={wanted[name]}" for name in ("package", "tmp", "memory", "port", "network")]
        lines += [f"layer={folder}" for folder in wanted["layers"]]
        lines += [f"read={folder}" for folder in cls.folders]
        report = ctypes.create_string_buffer(2048)
        if cls.lib.rouse_jail_enter("\n".join(lines).encode(), report, 2048) != 0:
            raise InitError("Runtime.WallsFailed", report.value.decode("utf-8", "replace"))
        got = dict(line.split("=", 1) for line in report.value.decode().splitlines())
        cls.root = got["root"] == "1"
        listener = int(got["listen"])
        fds = [listener] if listener >= 0 else []
        send(sock, WALLS, packed(got["missing"].encode()) + packed(got["why"].encode()), fds)
        for fd in fds:
            os.close(fd)


def own_folders():
    """Where this interpreter and its libraries are, when that is not /usr."""
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path}
    folders.discard(site.getusersitepackages())  # nobody's home is shown
    shown = ("/usr/", "/opt/", "/lib/")
    return sorted(p for p in folders if os.path.isdir(p) and not (p + "/").startswith(shown))[:16]


def tmp_take():
    """What loading the function left in /tmp, for its instances; None when that is too much."""
    left, size = [], 0
    for folder, folders, files in os.walk("/tmp"):
        for name in folders + files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            data = b""
            if stat.S_ISLNK(mode):
                data = os.readlink(path)
            elif stat.S_ISREG(mode):
                size += os.path.getsize(path)
                if size > TMP_KEPT_MAX:
                    return None
                with open(path, "rb") as file:
                    data = file.read()
            left.append((path, mode, data))
    return left


def tmp_put(left):
    for path, mode, data in left:
        if stat.S_ISDIR(mode):
            os.mkdir(path, stat.S_IMODE(mode) | 0o300)
        elif stat.S_ISLNK(mode):
            os.symlink(data, path)
        elif stat.S_ISREG(mode):
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, stat.S_IMODE(mode))


class Orphans:
    """An instance is the first process of its tree, which others' orphans become children of. One
    that nobody has waited for during a whole job is waited for here."""

    seen = 0

    @classmethod
    def reap(cls):
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            while ended is not None and ended.si_pid == cls.seen:
                os.waitpid(ended.si_pid, os.WNOHANG)
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                cls.seen = ended.si_pid if ended is not None else 0
            cls.seen = ended.si_pid if ended is not None else 0
        except ChildProcessError:
            cls.seen = 0


# ---- the function ----


class Context:
    """Lambda's context object."""

    def __init__(self, config, request_id, deadline_ms, extra):
        self.function_name = config["functionName"]
        self.function_version = config["functionVersion"]
        self.invoked_function_arn = extra.get("arn") or config["invokedFunctionArn"]
        self.memory_limit_in_mb = str(config["memoryMb"])
        self.aws_request_id = request_id
        self.log_group_name = config["logGroup"]
        self.log_stream_name = config["logStream"]
        self.identity = types.SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = client_context(extra.get("client"))
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        return max(int(self._deadline_ms - time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


def client_context(given):
    if not isinstance(given, dict):
        return None
    client = types.SimpleNamespace(**(given.get("client") or {}))
    return types.SimpleNamespace(custom=given.get("custom"), env=given.get("env"), client=client)


class LogFormat:
    """Lambda's prefix for records of the logging module."""

    request_id = ""


def logging_setup():
    import logging

    class Formatter(logging.Formatter):
        converter = time.gmtime

        def format(self, record):
            record.aws_request_id = LogFormat.request_id
            return super().format(record)

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
    )
    logging.getLogger().addHandler(handler)


def search_path(task):
    """The function's modules first, then its layers', then Python's own: as Lambda has them."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    below = (f"python/lib/{version}/site-packages", "python")
    return [task] + [f"{folder}/{path}" for folder in Process.opt for path in below]


def libraries_load(task):
    """Shared libraries of the function and its layers. The dynamic linker read LD_LIBRARY_PATH long
    before these folders were there; what is loaded already it finds by name."""
    folders = [task + "/lib"] + [folder + "/lib" for folder in Process.opt if Process.layered]
    os.environ["LD_LIBRARY_PATH"] = ":".join(
        [task, *folders, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    )
    waiting = [
        path
        for folder in folders
        if os.path.isdir(folder)
        for path in sorted(os.path.join(folder, name) for name in os.listdir(folder) if ".so" in name)
        if os.path.isfile(path)
    ]
    while waiting:
        left = [path for path in waiting if not library_load(path)]
        if len(left) == len(waiting):
            return
        waiting = left


def library_load(path):
    try:
        ctypes.CDLL(path)
    except OSError:  # what it needs itself may come later
        return False
    return True


def load_handler(config):
    """Imports the module and finds the function; errors are worded as Lambda words them."""
    spec = config["handler"]
    module_name, dot, function_name = spec.rpartition(".")
    if not dot:
        raise InitError(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{spec}': not enough values to unpack (expected 2, got 1)",
        )
    sys.path[:0] = search_path(config["taskRoot"])
    libraries_load(config["taskRoot"])
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as e:
        raise InitError(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {e}"
        ) from e
    except SyntaxError as e:
        raise InitError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {e}"
        ) from e
    try:
        return getattr(module, function_name)
    except AttributeError as e:
        raise InitError(
            "Runtime.HandlerNotFound",
            f"Handler '{function_name}' missing on module '{module_name}'",
        ) from e


class InitError(Exception):
    """The function cannot be started: (errorType, errorMessage)."""


def document_of(error, request_id):
    """Lambda's error document, and the lines that go to the log."""
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[0].filename == __file__:
        frames = frames[1:]
    # Without columns: Lambda marks no part of a line.
    stack = traceback.format_list([(f.filename, f.lineno, f.name, f.line) for f in frames])
    lines = f"[ERROR] {kind}: {error}\nTraceback (most recent call last):\n" + "".join(stack)
    document = {
        "errorMessage": str(error),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": stack,
    }
    return document, lines.rstrip() + "\n"


# ---- what must not be shared after a fork ----


class Rouse(types.ModuleType):
    """`import rouse; rouse.after_fork(callable)`: called in each instance before its first job."""

    def __init__(self):
        super().__init__("rouse")
        self.hooks = []

    def after_fork(self, hook):
        self.hooks.append(hook)
        return hook


ROUSE = Rouse()


def after_fork():
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed()
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "seed"):
        torch.seed()
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        uuid._last_timestamp = None
        uuid._generate_time_safe = None  # libuuid's counter is the template's
    for hook in ROUSE.hooks:
        hook()


def cannot_fork():
    """Why a process with this function loaded must not be forked, or None."""
    if len(os.listdir("/proc/self/task")) > 1:
        return "it has started threads"
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if target.startswith("socket:") and int(name) not in Process.own_sockets:
            return "it has open sockets"
    if Jail.root:
        Process.tmp = tmp_take()
        if Process.tmp is None:
            return "it has left more than 16 MB in /tmp"
    torch = sys.modules.get("torch")
    if torch is not None and getattr(torch, "cuda", None) and torch.cuda.is_initialized():
        return "it has initialised CUDA"
    return None


# ---- processes ----


class Process:
    """What this process holds."""

    control = -1  # the socket of this process, as a template
    memory_kb = 0
    config = None
    handler = None
    error = None  # (type, message) when the function could not be loaded
    document = None  # and the whole of it, where there is more to say
    own_sockets = set()
    opt = ("/opt",)  # where the layers are, the first to be searched first
    layered = False
    tmp = ()  # what loading the function left in /tmp


def standard_output_to(fd):
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    sys.stderr.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")


def function_load():
    config = Process.config
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(config["environment"])
    time.tzset()
    if Process.error:
        return
    try:
        os.chdir(config["taskRoot"])
        Process.handler = load_handler(config)
    except InitError as e:
        Process.error = e.args
        print(f"[ERROR] {e.args[0]}: {e.args[1]}\nTraceback (most recent call last):", flush=True)
    except SystemExit:
        raise
    except BaseException as e:  # whatever a module does while it is imported
        Process.document, lines = document_of(e, "")
        Process.error = (Process.document["errorType"], Process.document["errorMessage"])
        sys.stdout.write(lines)


def title(name):
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write(("rouse:" + name)[:15])
    except OSError:
        pass


def template_serve(sock):
    """Forks what the server asks for, until its end of the socket is closed."""
    while True:
        message = receive(sock)
        if message is None:
            os._exit(0)
        kind, reader = message
        if kind != SPAWN:
            raise ProtocolError("a template is only asked to spawn")
        spawn = {"role": reader.u32()}
        for name in ("function", "package", "prepared", "handler"):
            spawn[name] = reader.text()
        spawn["memory_mb"], spawn["threads"] = reader.u32(), reader.u32()
        if len(reader.fds) != 3:
            raise ProtocolError("a spawn without its socket, log and configuration")
        began = time.monotonic()
        pid = Jail.fork(spawn["role"] == TEMPLATE)
        if pid == 0:
            sock.detach()
            os.close(Process.control)
            child_main(spawn, reader.fds, began)
        for fd in reader.fds:
            os.close(fd)
        try:
            pid_fd = os.pidfd_open(pid)
            send(sock, SPAWNED, u32(pid) + packed(b""), [pid_fd])
            os.close(pid_fd)
        except OSError as e:
            send(sock, SPAWNED, u32(0) + packed(str(e).encode()))


def config_read(sock, role, fd):
    Process.config = config = json.loads(os.pread(fd, CONFIG_MAX, 0))
    os.close(fd)
    try:
        Jail.enter(sock, role, config["jail"])
    except InitError as e:
        Process.error = e.args
    layers = config["jail"]["layers"]
    Process.layered = bool(layers)
    if Jail.root:
        config["taskRoot"] = config["environment"]["LAMBDA_TASK_ROOT"] = "/var/task"
    elif layers:
        Process.opt = tuple(reversed(layers))


def child_main(spawn, fds, began):
    try:
        Process.control = fds[0]
        sock = socket.socket(fileno=fds[0])
        Process.own_sockets = {fds[0]}
        standard_output_to(fds[1])
        title(spawn["function"])
        loaded = Process.config is not None
        config_read(sock, spawn["role"], fds[2])
        if not loaded:
            function_load()
        else:  # its own credentials, log stream and /tmp
            tmp_put(Process.tmp)
            os.environ.update(Process.config["environment"])
        if spawn["role"] == TEMPLATE:
            template_begin(sock, began)
        else:
            instance_serve(sock, spawn, began)
    except (ProtocolError, OSError) as e:
        print(f"rouse: {e}", file=sys.__stderr__)
    except SystemExit as e:
        os._exit(e.code if isinstance(e.code, int) else 1)
    finally:
        os._exit(1)


def template_begin(sock, began):
    why = cannot_fork()
    if Process.error:
        send_ready(sock, began, Process.error)
        os._exit(1)
    if why:
        send_ready(sock, began, ("Rouse.CannotFork", f"no template of this function: {why}"))
        os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    send_ready(sock, began)
    template_serve(sock)


def job_read(reader):
    job = {"id": reader.u64(), "deadline_us": reader.u64(), "payload": reader.place()}
    for _ in range(reader.u32()):
        reader.bytes(), reader.bytes(), reader.place()
    job["request_id"], job["deadline_ms"] = reader.text(), reader.u64()
    job["context"] = reader.bytes()
    return job


def job_run(job):
    """(failed, answer bytes, errorType, errorMessage)"""
    request_id = job["request_id"]
    LogFormat.request_id = request_id
    try:
        event = json.loads(job["payload"]) if job["payload"] else {}
    except ValueError as e:
        return error_answer("Runtime.UnmarshalError", f"Unable to unmarshal input: {e}", request_id)
    extra = json.loads(job["context"]) if job["context"] else {}
    context = Context(Process.config, request_id, job["deadline_ms"], extra)
    os.environ["_X_AMZN_TRACE_ID"] = extra.get("trace") or "Root=1-0-0;Sampled=0"
    try:
        answer = Process.handler(event, context)
    except Exception as e:
        document, lines = document_of(e, request_id)
        sys.stdout.write(lines)
        return 1, json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    try:
        return 0, json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError) as e:
        return error_answer("Runtime.MarshalError", f"Unable to marshal response: {e}", request_id)


def error_document(kind, message, request_id):
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": [],
    }


def error_answer(kind, message, request_id):
    document = error_document(kind, message, request_id)
    sys.stdout.write(f"[ERROR] {kind}: {message}\n")
    return 1, json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def too_large(request_id):
    return error_answer(
        "Function.ResponseSizeTooLarge",
        f"Response payload size exceeded maximum allowed payload size ({ANSWER_MAX} bytes).",
        request_id,
    )


def memory_max_kb():
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1])
    return 0


def result_send(sock, job, failed, answer, began):
    fds, place = [], u32(INLINE) + packed(answer)
    if len(answer) > INLINE_MAX:
        fd = os.memfd_create("answer", os.MFD_CLOEXEC)
        view = memoryview(answer)
        while view:
            view = view[os.write(fd, view) :]
        fds, place = [fd], u32(FD) + u32(0) + u64(0) + u64(len(answer))
    run_us = int((time.monotonic() - began) * 1e6)
    body = u64(job["id"]) + u32(2 if failed else 0) + packed(b"") + packed(b"") + place
    body += u64(0) + u64(run_us) + u64(Process.memory_kb) + packed(b"")
    send(sock, RESULT, body, fds)
    for fd in fds:
        os.close(fd)


def instance_serve(sock, spawn, began):
    if Process.error:
        kind, message = Process.error
        document = Process.document or error_document(kind, message, "")
        send_ready(sock, began, (kind, json.dumps(document)))
        os._exit(1)
    after_fork()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    send_ready(sock, began)
    served = 0
    while True:
        message = receive(sock)
        if message is None:
            os._exit(0)
        kind, reader = message
        if kind != JOBS:
            raise ProtocolError("an instance is only given jobs")
        for _ in range(reader.u32()):
            job = job_read(reader)
            start = time.monotonic()
            failed, answer = job_run(job)
            if len(answer) > ANSWER_MAX:
                failed, answer = too_large(job["request_id"])
            sys.stdout.flush()
            sys.stderr.flush()
            if served % 64 == 0:
                Process.memory_kb = memory_max_kb()
            served += 1
            result_send(sock, job, failed, answer, start)
        for fd in reader.fds:
            os.close(fd)
        Orphans.reap()


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "--template":
        sys.exit("usage: bootstrap.py --template FD (started by rouse serve)")
    began = time.monotonic()
    Process.control = int(sys.argv[2])
    sock = socket.socket(fileno=Process.control)
    Process.own_sockets = {Process.control}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.modules["rouse"] = ROUSE
    sys.argv = ["bootstrap"]
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    os.environ.pop("PYTHONPATH", None)
    logging_setup()
    Jail.load()
    send_ready(sock, began)
    template_serve(sock)


if __name__ == "__main__":
    main()
