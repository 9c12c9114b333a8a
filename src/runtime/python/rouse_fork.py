# SPDX-License-Identifier: Apache-2.0
"""What a fork must not share. What can be made anew is made anew in each instance: seeds, identities,
log files, threads' numbers. What cannot (threads, sockets, …) is looked for before anything is forked
from a process, which then is not forked from."""

import array
import ctypes
import mmap
import os
import random
import sys
import time
import types

CORE_MB = 1769  # of memory, for which a function gets one core
PAGE, HUGE = 4096, 2 << 20
PRESENT_AND_OWN = 1 << 63 | 1 << 56  # of an entry of /proc/self/pagemap
MADV_COLLAPSE = 25  # since Linux 6.1
ENLARGE_MAX_S = 1.0


class Rouse(types.ModuleType):
    """`import rouse; rouse.after_fork(callable)`: called in each instance before its first job."""

    def __init__(self):
        super().__init__("rouse")
        self.hooks = []

    def after_fork(self, hook):
        self.hooks.append(hook)
        return hook


ROUSE = Rouse()


# ---- in an instance, before its first job ----


def chance_renew():
    """What the templates have drawn, or would draw next, is not drawn again."""
    random.seed()
    modules = sys.modules
    if "numpy.random" in modules:  # of the functions of the module; a Generator is its owner's
        numpy_renew(modules["numpy.random"])
    if "torch" in modules:
        modules["torch"].default_generator.seed()
    if "ssl" in modules:
        modules["ssl"].RAND_add(os.urandom(32), 32.0)  # OpenSSL looks at the pid, which may be equal
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "uuid" in modules:
        uuid = modules["uuid"]
        uuid._last_timestamp = uuid._node = None
        uuid._generate_time_safe = None  # libuuid's counter is the template's


def numpy_renew(numpy_random):
    try:
        numpy_random.seed()
    except TypeError:  # somebody has put another kind of generator there
        numpy_random.set_bit_generator(type(numpy_random.get_bit_generator())())


def log_files():
    """Handlers of the logging module that write to a file of their own."""
    logging = sys.modules.get("logging")
    handlers = [ref() for ref in logging._handlerList] if logging else []
    return [h for h in handlers if isinstance(h, logging.FileHandler) and h.stream is not None]


def log_files_reopen():
    """They were opened in the template's /tmp. The instance's has a copy, to be gone on with."""
    for handler in log_files():
        handler.stream.close()
        handler.mode = handler.mode.replace("w", "a").replace("x", "a")
        handler.stream = handler._open()


def after_fork():
    chance_renew()
    log_files_reopen()
    for hook in ROUSE.hooks:
        hook()


# ---- threads that libraries start by themselves ----


def threads_of(config):
    """As many as the function has cores, unless it says otherwise; as text."""
    cores = min(config["memoryMb"] // CORE_MB, len(os.sched_getaffinity(0)))
    return config["environment"].get("OMP_NUM_THREADS") or str(max(cores, 1))


def threads_limit(count):
    """For libraries that are yet to be loaded: OpenMP, OpenBLAS and MKL read this when they are. In a
    template it is 1, since a process that has started threads cannot be forked from."""
    os.environ["OMP_NUM_THREADS"] = count


def mapped_libraries():
    """None where Landlock is the only wall around files: what was forked does not see its own /proc then."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            return {line[line.index("/") :].rstrip("\n") for line in maps if ".so" in line and "/" in line}
    except PermissionError:
        return set()


def threads_set(count):
    """For libraries that a template has loaded with one thread."""
    try:
        number = int(count.split(",")[0])
    except ValueError:
        return
    if number == 1:
        return
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(number)
    names = {"libgomp": ("omp_set_num_threads",), "libomp": ("omp_set_num_threads",),
             "libiomp": ("omp_set_num_threads",),
             "openblas": ("openblas_set_num_threads", "scipy_openblas_set_num_threads64_",
                          "openblas_set_num_threads64_")}
    for path in mapped_libraries():
        for part, functions in names.items():
            if part in os.path.basename(path):
                library = ctypes.CDLL(path)
                for function in functions:
                    if hasattr(library, function):
                        getattr(library, function)(number)


# ---- in a template, before its first fork ----


def ranges_of_heap():
    """Starts and ends of private anonymous memory, whole huge pages of it."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            span, access, _, _, inode, *name = line.split()
            if access == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
                start, end = (int(address, 16) for address in span.split("-"))
                yield -(-start // HUGE) * HUGE, end // HUGE * HUGE


def own_pages(pagemap, at):
    """How many of the pages of this huge page are there, and mapped by this process alone."""
    entries = array.array("Q", os.pread(pagemap, HUGE // PAGE * 8, at // PAGE * 8))
    return sum(entry & PRESENT_AND_OWN == PRESENT_AND_OWN for entry in entries)


def pages_enlarge():
    """A fork copies page tables: 10 ms for 200 MB in small pages, 1 ms in huge ones. What templates have in
    common with those that they were forked from stays as it is, else it would be in common no longer."""
    if mmap.PAGESIZE != PAGE:
        return
    madvise, until = ctypes.CDLL(None).madvise, time.monotonic() + ENLARGE_MAX_S
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for start, end in list(ranges_of_heap()):
            for at in range(start, end, HUGE):
                if own_pages(pagemap, at) * 4 < HUGE // PAGE * 3:
                    continue
                wrong = madvise(ctypes.c_void_p(at), ctypes.c_size_t(HUGE), MADV_COLLAPSE)
                if wrong or time.monotonic() > until:
                    return  # the kernel does not know it, or has no huge page to give
    finally:
        os.close(pagemap)


def threads_alive():
    return len(os.listdir("/proc/self/task")) > 1


def processes_alive():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def writable(fd):
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
        flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags:"))
    return flags & os.O_ACCMODE != os.O_RDONLY


def fault_of_file(fd, target):
    """Why this open file must not be shared, or None."""
    if target.startswith("socket:"):
        return "it has open sockets"
    if target.startswith("pipe:"):
        return "it has open pipes"
    if target.startswith("anon_inode:"):
        return "it waits for events (" + target.removeprefix("anon_inode:").strip("[]") + ")"
    if target.startswith("/dev/nvidia"):
        return "it has initialised CUDA"
    if not target.startswith("/dev/") and writable(fd):
        return f"it has {target.removesuffix(' (deleted)')} open for writing"
    return None


def fault_of_files(own):
    """own: descriptors of this runtime."""
    own = own | {0, 1, 2} | {handler.stream.fileno() for handler in log_files()}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
            fault = None if int(name) in own else fault_of_file(int(name), target)
        except OSError:
            continue  # the folder's own descriptor
        if fault:
            return fault
    return None


def memory_shared():
    """Is there memory that its forks would share for writing?"""
    with open("/proc/self/maps", "rb") as maps:
        return any(line.split(None, 2)[1] in (b"rw-s", b"rwxs") for line in maps)


def cuda_begun():
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda is not None and cuda.is_initialized()


def fault_of_process(own):
    """Why this process must not be forked from, now that it has loaded what it is to hold; or None."""
    if cuda_begun():
        return "it has initialised CUDA"
    if threads_alive():
        return "it has started threads"
    if processes_alive():
        return "it has started processes"
    return fault_of_files(own) or ("it shares memory" if memory_shared() else None)
