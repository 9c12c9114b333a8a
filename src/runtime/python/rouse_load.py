# SPDX-License-Identifier: Apache-2.0
"""Loading: a function's module and handler, with Lambda's words for what goes wrong; and the libraries
that it uses of those that this machine has, which templates of other levels load before it."""

import ctypes
import importlib
import os
import sys
import traceback

OURS = os.path.dirname(os.path.abspath(__file__))
NAMES_MAX = 4000
NAMES_SIZE_MAX = 100 * 1024


class InitError(Exception):
    """The function cannot be started: (errorType, errorMessage)."""


def search_path(task, layers):
    """The function's modules first, then its layers', then Python's own: as Lambda has them."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    below = (f"python/lib/{version}/site-packages", "python")
    return [task] + [f"{folder}/{path}" for folder in layers for path in below]


def shared_libraries_load(folders):
    """Of the function and its layers. The dynamic linker read LD_LIBRARY_PATH long before these folders
    were there; what is loaded already it finds by name."""
    waiting = [
        path
        for folder in folders
        if os.path.isdir(folder)
        for path in sorted(os.path.join(folder, name) for name in os.listdir(folder) if ".so" in name)
        if os.path.isfile(path)
    ]
    while waiting:
        left = [path for path in waiting if not shared_library_load(path)]
        if len(left) == len(waiting):
            return
        waiting = left


def shared_library_load(path):
    try:
        ctypes.CDLL(path)
    except OSError:  # what it needs itself may come later
        return False
    return True


def load_handler(config, opt=("/opt",), layered=False):
    """Imports the module and finds the function. opt: where layers are, the first to be searched first;
    layered: it has some."""
    task, spec = config["taskRoot"], config["handler"]
    module_name, dot, function_name = spec.rpartition(".")
    if not dot:
        raise InitError(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{spec}': not enough values to unpack (expected 2, got 1)",
        )
    sys.path[:0] = search_path(task, opt)
    folders = [task + "/lib"] + [folder + "/lib" for folder in opt if layered]
    own = filter(None, [os.environ.get("LD_LIBRARY_PATH")])
    os.environ["LD_LIBRARY_PATH"] = ":".join([task, *folders, *own])
    shared_libraries_load(folders)
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


def document_of(error, request_id):
    """Lambda's error document, and the lines that go to the log."""
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    while frames and os.path.dirname(os.path.abspath(frames[0].filename)) == OURS:
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


# ---- libraries ----


def libraries_load(names):
    """Imports what functions were seen to use. What fails to load is theirs to find out."""
    for name in names:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except BaseException:  # whatever a module does while it is imported
                pass


def of_this_machine(name, module, folders):
    """Was it imported from one of these folders, by that name?"""
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name != name or not all(p.isidentifier() for p in name.split(".")):
        return False
    if not spec.has_location:
        return spec.origin == "built-in"
    return os.path.realpath(spec.origin).startswith(folders)


def libraries_used(before, own):
    """Names of the modules that were imported since `before` (a set of names), in their order: those
    of this machine, not of the folders in `own`, which are the function's."""
    host = {os.path.realpath(path) for path in sys.path if path and path not in own}
    folders = tuple(os.path.join(path, "") for path in host)
    names, size = [], 0
    for name, module in list(sys.modules.items()):
        if name in before or len(names) == NAMES_MAX or not of_this_machine(name, module, folders):
            continue
        size += len(name) + 1
        if size > NAMES_SIZE_MAX:
            break
        names.append(name)
    return names
