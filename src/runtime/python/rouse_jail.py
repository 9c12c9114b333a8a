# SPDX-License-Identifier: Apache-2.0
"""The walls of this runtime's processes (librouse-jail.so, see src/sandbox/lib.h), and what a process
that lives in its own tree has to look after."""

import ctypes
import os
import site
import stat
import sys

import rouse_wire as wire

TMP_KEPT_MAX = 16 * 1024 * 1024


class WallsFailed(Exception):
    """The function cannot be walled in, and does not run."""


class Jail:
    """What this process knows of its walls; loaded in the root, inherited by all."""

    lib = None
    root = False  # /var/task, /opt and /tmp are the function's own
    tmp = False  # /tmp is its own
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
    def libraries(cls, network):
        """The walls of a process that only imports what this machine has. Why not, or None."""
        report = ctypes.create_string_buffer(512)
        opened = 1 if network == "open" else 0
        done = cls.lib.rouse_jail_libraries(opened, report, 512) if cls.lib else 0
        cls.tmp = done == 1
        return None if done >= 0 else report.value.decode("utf-8", "replace")

    @classmethod
    def enter(cls, sock, role, wanted):
        """Walls this process in, and says so. Nothing of the function was touched before."""
        if cls.lib is None:
            wire.send(sock, wire.WALLS, wire.packed(b"all") + wire.packed(cls.notice.encode()))
            return
        lines = [f"role={'template' if role == wire.TEMPLATE else 'instance'}"]
        lines += [f"{name}={wanted[name]}" for name in ("package", "tmp", "memory", "port", "network")]
        lines += [f"layer={folder}" for folder in wanted["layers"]]
        lines += [f"read={folder}" for folder in cls.folders]
        report = ctypes.create_string_buffer(2048)
        if cls.lib.rouse_jail_enter("\n".join(lines).encode(), report, 2048) != 0:
            raise WallsFailed(report.value.decode("utf-8", "replace"))
        got = dict(line.split("=", 1) for line in report.value.decode().splitlines())
        cls.root = cls.tmp = got["root"] == "1"
        listener = int(got["listen"])
        fds = [listener] if listener >= 0 else []
        body = wire.packed(got["missing"].encode()) + wire.packed(got["why"].encode())
        wire.send(sock, wire.WALLS, body, fds)
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
