# SPDX-License-Identifier: Apache-2.0
"""The Python runtime: a tree of forked templates that ends in instances.

Started by the server as `python3 bootstrap.py --template FD`. It speaks src/wire/wire.h on the
SEQPACKET socket FD: a SPAWN forks; the child becomes a template of libraries (imports them), a
template of one function (imports its module, runs its init code), or an instance that answers JOBS.
Only the standard library is used. What an instance does for one job is Lambda's contract for Python:
handler(event, context).
"""

import gc
import json
import os
import resource
import signal
import site
import socket
import sys
import time

import rouse_wire as wire
from rouse_fork import (
    ROUSE,
    after_fork,
    fault_of_process,
    pages_enlarge,
    threads_limit,
    threads_of,
    threads_set,
)
from rouse_job import Handler, error_document, logging_setup
from rouse_jail import Jail, Orphans, WallsFailed, tmp_put, tmp_take
from rouse_load import (
    InitError,
    document_of,
    libraries_load,
    libraries_used,
    load_handler,
    search_path,
)
from rouse_wire import LIBRARIES, TEMPLATE, ProtocolError, packed, u32, u64

CONFIG_MAX = 1024 * 1024
MEMORY_EVERY = 64  # jobs between two looks at how much memory was needed
ORPHANS_EVERY = 4


def send_ready(sock, began, error=None):
    kind, message = error or ("", "")
    body = u32(os.getpid()) + u64(int((time.monotonic() - began) * 1e6)) + u32(1 if error else 0)
    body += packed(kind.encode()) + packed(message.encode("utf-8", "replace")[:60000])
    wire.send(sock, wire.READY, body)


# ---- processes ----


class Process:
    """What this process holds."""

    control = -1  # the socket of this process, as a template
    known = frozenset()  # names of the modules of this runtime
    config = None  # of the function, once it is loaded
    handler = None
    error = None  # (type, message) when the function could not be loaded
    document = None  # and the whole of it, where there is more to say
    opt = ("/opt",)  # where the layers are, the first to be searched first
    tmp = ()  # what loading has left in /tmp


def standard_output_to(fd):
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    sys.stderr.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")


def environment_set(environment, threads):
    os.environ.clear()
    os.environ.update(environment)
    threads_limit(threads)
    time.tzset()


def environment_renew(before, after, threads):
    """What differs between the template's and this process's; what its code has set itself stays."""
    os.environ.update({name: after[name] for name in after if before.get(name) != after[name]})
    if threads != "1":
        threads_limit(threads)


def title(name):
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write(("rouse:" + name)[:15])
    except OSError:
        pass


def spawn_read(message):
    kind, reader = message
    if kind != wire.SPAWN:
        raise ProtocolError("a template is only asked to spawn")
    spawn = {"role": reader.u32()}
    for name in ("function", "package", "prepared", "handler"):
        spawn[name] = reader.text()
    spawn["memory_mb"], spawn["threads"] = reader.u32(), reader.u32()
    if len(reader.fds) != 3:
        raise ProtocolError("a spawn without its socket, log and configuration")
    return spawn, reader.fds


def spawn_do(sock, spawn, fds):
    """Forks. Libraries are no tree of their own: what is forked from them outlives them."""
    began = time.monotonic()
    own_tree = spawn["role"] != LIBRARIES
    pid = Jail.fork(spawn["role"] == TEMPLATE) if own_tree else os.fork()
    if pid == 0:
        sock.detach()
        os.close(Process.control)
        child_main(spawn, fds, began)
    try:
        pid_fd = os.pidfd_open(pid)
        wire.send(sock, wire.SPAWNED, u32(pid) + packed(b""), [pid_fd])
        os.close(pid_fd)
    except ConnectionError:
        return  # the server wants nothing more, which is read next
    except OSError as e:
        wire.send(sock, wire.SPAWNED, u32(0) + packed(str(e).encode()))


def template_serve(sock):
    """Forks what the server asks for, until its end of the socket is closed."""
    while (message := wire.receive(sock)) is not None:
        spawn, fds = spawn_read(message)
        spawn_do(sock, spawn, fds)
        for fd in fds:
            os.close(fd)
    if Process.config:
        children_wait()
    os._exit(0)


def children_wait():
    """A function's template is of the first process tree of its instances: with it they end."""
    try:
        os.waitpid(-1, 0)  # until there is none, since SIGCHLD is ignored
    except ChildProcessError:
        pass


def child_main(spawn, fds, began):
    try:
        Process.control = fds[0]
        sock = socket.socket(fileno=fds[0])
        standard_output_to(fds[1])
        title(spawn["function"])
        config = json.loads(os.pread(fds[2], CONFIG_MAX, 0))
        os.close(fds[2])
        if spawn["role"] == LIBRARIES:
            libraries_begin(sock, config, began)
        function_enter(sock, config, spawn["role"])
        if spawn["role"] == TEMPLATE:
            function_begin(sock, began)
        else:
            instance_serve(sock, began)
    except (ProtocolError, OSError) as e:
        print(f"rouse: {e}", file=sys.__stderr__)
    except SystemExit as e:
        os._exit(e.code if isinstance(e.code, int) else 1)
    finally:
        os._exit(1)


# ---- templates ----


def template_begin(sock, began, fault):
    """fault: why nothing may be forked from this process, or None."""
    if fault:
        send_ready(sock, began, ("Rouse.CannotFork", fault))
        os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    pages_enlarge()
    send_ready(sock, began)
    template_serve(sock)


def tmp_keep():
    """Why what loading has left in /tmp cannot be given to forks, or None: then it will be."""
    Process.tmp = tmp_take() if Jail.tmp else ()
    return "it has left more than 16 MB in /tmp" if Process.tmp is None else None


def libraries_begin(sock, config, began):
    fault = Jail.libraries(config["network"])
    if not fault:
        environment_set(config["environment"], "1")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        libraries_load(config["libraries"])
        fault = fault_of_process({Process.control}) or tmp_keep()
    template_begin(sock, began, fault)


def function_begin(sock, began):
    if Process.error:
        send_ready(sock, began, Process.error)
        os._exit(1)
    fault = fault_of_process({Process.control}) or tmp_keep()
    if Process.config.get("learn"):
        own = search_path(Process.config["taskRoot"], Process.opt)
        names = libraries_used(Process.known, own)
        wire.send(sock, wire.LEARNED, packed("\n".join(names).encode()))
    template_begin(sock, began, fault)


# ---- the function ----


def function_do(action):
    """Runs code of the function while it starts; what goes wrong is kept, and said in the log."""
    try:
        action()
    except InitError as e:
        Process.error = e.args
        print(f"[ERROR] {e.args[0]}: {e.args[1]}\nTraceback (most recent call last):", flush=True)
    except SystemExit:
        raise
    except BaseException as e:  # whatever a module does while it is imported
        Process.document, lines = document_of(e, "")
        Process.error = (Process.document["errorType"], Process.document["errorMessage"])
        sys.stdout.write(lines)


def function_load():
    os.chdir(Process.config["taskRoot"])
    layered = bool(Process.config["jail"]["layers"])
    Process.handler = load_handler(Process.config, Process.opt, layered)


def function_enter(sock, config, role):
    """Walls, environment, and the function itself where a template has not loaded it."""
    before, Process.config = Process.config, config
    threads = "1" if role == TEMPLATE else threads_of(config)
    try:
        Jail.enter(sock, role, config["jail"])
    except WallsFailed as e:
        Process.error = ("Runtime.WallsFailed", str(e))
    if Jail.root:
        config["taskRoot"] = config["environment"]["LAMBDA_TASK_ROOT"] = "/var/task"
        tmp_put(Process.tmp)
    elif config["jail"]["layers"]:
        Process.opt = tuple(reversed(config["jail"]["layers"]))
    if before:
        environment_renew(before["environment"], config["environment"], threads)
    else:
        environment_set(config["environment"], threads)
    threads_set(threads)
    if not before and not Process.error:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        function_do(function_load)


# ---- jobs ----


def jobs_serve(channel, handler):
    """Answers job after job, until the server closes its end of the socket."""
    memory_kb, served = 0, 0
    while (jobs := channel.jobs()) is not None:
        for job in jobs:
            start = time.monotonic()
            failed, answer = handler.run(job)
            sys.stdout.flush()
            sys.stderr.flush()
            if served % MEMORY_EVERY == 0:
                memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            served += 1
            run_us = int((time.monotonic() - start) * 1e6)
            channel.result(job.id, failed, answer, run_us, memory_kb)
        channel.close_fds()
        if served % ORPHANS_EVERY == 0:
            Orphans.reap()


def instance_serve(sock, began):
    if not Process.error:
        function_do(after_fork)
    if Process.error:
        kind, message = Process.error
        document = Process.document or error_document(kind, message, "")
        send_ready(sock, began, (kind, json.dumps(document)))
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    handler = Handler(Process.handler, Process.config)
    channel = wire.Channel(sock)
    send_ready(sock, began)
    jobs_serve(channel, handler)
    os._exit(0)


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "--template":
        sys.exit("usage: bootstrap.py --template FD (started by rouse serve)")
    began = time.monotonic()
    Process.control = int(sys.argv[2])
    sock = socket.socket(fileno=Process.control)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.modules["rouse"] = ROUSE
    sys.argv = ["bootstrap"]
    unseen = {os.path.dirname(os.path.abspath(__file__)), site.getusersitepackages()}
    sys.path[:] = [path for path in sys.path if path not in unseen]
    os.environ.pop("PYTHONPATH", None)
    logging_setup()
    Jail.load()
    Process.known = frozenset(sys.modules)
    send_ready(sock, began)
    template_serve(sock)


if __name__ == "__main__":
    main()
