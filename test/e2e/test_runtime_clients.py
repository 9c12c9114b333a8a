# SPDX-License-Identifier: Apache-2.0
"""The runtime clients that AWS publishes, unmodified. `make clients` fetches and builds them once, for which each
needs its own tools; what is built is kept in build/deps/clients and tested from then on. Skipped by name otherwise."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT
from runtime_support import deploy, zip_folder

SOURCES = ROOT / "test/clients"
DEPS = pathlib.Path(os.environ.get("ROUSE_CLIENTS", ROOT / "build/deps/clients"))
NPM = "/usr/lib/node_modules/npm/bin/npm-cli.js"
BUILD = os.environ.get("ROUSE_CLIENT_TESTS") == "1"


def need(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def run(*command, cwd, **env):
    done = subprocess.run([str(c) for c in command], cwd=cwd, env={**os.environ, **env},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]


def workplace(name, marker):
    """A copy of the client's sources to build in, and whether `marker` is there from an earlier time."""
    folder = DEPS / name
    shutil.copytree(SOURCES / name, folder, dirs_exist_ok=True)
    return folder, (folder / marker).exists()


def script(folder, text):
    path = folder / "bootstrap"
    path.write_text(text)
    path.chmod(0o755)


def build_python():
    if not pathlib.Path("/usr/bin/python3").exists():
        pytest.skip("/usr/bin/python3 not installed")
    folder, there = workplace("python", "package/awslambdaric")
    if not there:
        version = subprocess.check_output(["/usr/bin/python3", "-c", "import sys;print('%d.%d'%sys.version_info[:2])"],
                                          text=True).strip()
        run("python3", "-m", "pip", "install", "-q", "--target", "package", "--python-version", version,
            "--only-binary=:all:", "awslambdaric", cwd=folder)
    shutil.copy(folder / "app.py", folder / "package")
    script(folder / "package", '#!/bin/sh\nexec /usr/bin/python3 -m awslambdaric "$_HANDLER"\n')
    return folder / "package", "provided.al2023", "app.handler"


def build_node():
    need("node", "cmake", "g++", "autoreconf", "make")
    npm = [shutil.which("npm")] if shutil.which("npm") else [shutil.which("node"), NPM]
    if not shutil.which("npm") and not os.path.exists(NPM):
        pytest.skip("npm not installed")
    folder, there = workplace("node", "node_modules/aws-lambda-ric")
    if not there:
        run(*npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "aws-lambda-ric", cwd=folder)
    script(folder, f'#!/bin/sh\nexec {shutil.which("node")} '
                   'node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"\n')
    package = folder / "package"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(folder / "node_modules/aws-lambda-ric", package / "node_modules/aws-lambda-ric",
                    ignore=shutil.ignore_patterns("deps", "*.o", "*.a", "*.tar.gz"))
    shutil.copy(folder / "index.js", package)
    shutil.copy(folder / "bootstrap", package)
    return package, "provided.al2023", "index.handler"


def build_go():
    need("go")
    folder, _ = workplace("go", "package/bootstrap")
    run("go", "mod", "tidy", cwd=folder)
    run("go", "build", "-o", "package/bootstrap", ".", cwd=folder, CGO_ENABLED="0")
    return folder / "package", "provided.al2023", "bootstrap"


def build_rust():
    need("cargo")
    folder, _ = workplace("rust", "target")
    run("cargo", "build", "--release", "--quiet", cwd=folder)
    (folder / "package").mkdir(exist_ok=True)
    shutil.copy(folder / "target/release/bootstrap", folder / "package/bootstrap")
    return folder / "package", "provided.al2023", "bootstrap"


def build_cpp():
    need("cmake", "g++")
    folder, there = workplace("cpp", "installed")
    bundled = sorted((DEPS / "node/node_modules/aws-lambda-ric/deps").glob("aws-lambda-cpp-*/CMakeLists.txt"))
    if bundled and not there:  # the Node client brings its source along, and is in a registry
        run("cmake", "-S", bundled[-1].parent, "-B", "client", f"-DCMAKE_INSTALL_PREFIX={folder}/installed",
            "-DCMAKE_INSTALL_LIBDIR=lib", "-DENABLE_LTO=OFF", cwd=folder)
        run("cmake", "--build", "client", "--target", "install", cwd=folder)
    done = subprocess.run(["cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={folder}/installed"],
                          cwd=folder, capture_output=True, check=False)
    if done.returncode != 0 and b"aws-lambda-runtime" in done.stderr:
        pytest.skip("aws-lambda-cpp is not installed, nor is aws-lambda-ric, which brings it")
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    run("cmake", "--build", "build", cwd=folder)
    (folder / "package").mkdir(exist_ok=True)
    shutil.copy(folder / "build/bootstrap", folder / "package/bootstrap")
    return folder / "package", "provided.al2023", "bootstrap"


def build_java():
    need("java", "javac", "mvn")
    folder, there = workplace("java", "package/lib")
    package = folder / "package"
    if not there:
        run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=package/lib", cwd=folder)
    run("javac", "--release", "11", "-cp", "package/lib/*", "-d", "package", "src/Greeter.java", cwd=folder)
    return package, "java17", "Greeter::handleRequest"


# The folder below test/clients, what its functions need to run, and how they are built.
CLIENTS = {
    "awslambdaric": ("python", [], build_python),
    "aws-lambda-ric": ("node", ["node"], build_node),
    "aws-lambda-go": ("go", [], build_go),
    "lambda_runtime": ("rust", [], build_rust),
    "aws-lambda-cpp": ("cpp", [], build_cpp),
    "aws-lambda-java-runtime-interface-client": ("java", ["java"], build_java),
}


def digest(folder):
    """Of the sources and of what builds them."""
    sums = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        sums.update(path.read_bytes())
    return sums.hexdigest()


def built(name):
    """(package, runtime, handler) of a client's function, from an earlier time where nothing has changed."""
    folder, programs, build = CLIENTS[name]
    need(*programs)
    stamp, sources = DEPS / folder / "built.json", digest(SOURCES / folder)
    known = json.loads(stamp.read_text()) if stamp.exists() else {}
    if known.get("sources") != sources:
        if not BUILD:
            pytest.skip(f"{name} is not built: make clients does that")
        DEPS.mkdir(parents=True, exist_ok=True)
        package, runtime, handler = build()
        known = {"sources": sources, "package": str(package.relative_to(DEPS)), "runtime": runtime,
                 "handler": handler}
        stamp.write_text(json.dumps(known))
    return DEPS / known["package"], known["runtime"], known["handler"]


@pytest.fixture(scope="module", params=list(CLIENTS))
def greeter(request, server):
    package, runtime, handler = built(request.param)
    memory = 512 if runtime.startswith("java") else 256
    function = deploy(server, zip_folder(package), runtime, handler, Timeout=30, MemorySize=memory)
    function.client = server.client("lambda", max_pool_connections=8)
    return function


def test_hello(greeter):
    for name in ("Ada", "Grüße", "Ada"):
        answer = greeter({"name": name})
        assert (answer.status, answer.error) == (200, None), answer.log
        assert answer.json == {"greeting": f"Hello {name}", "requestId": answer.request_id}
        assert answer.lines[-1].startswith(f"REPORT RequestId: {answer.request_id}")


def test_function_error(greeter):
    answer = greeter({"name": "x", "fail": "Bob"})
    assert (answer.status, answer.error) == (200, "Unhandled"), answer.log
    assert "no greeting for Bob" in answer.json["errorMessage"]
    assert answer.json["errorType"]
    assert greeter({"name": "Eve"}).json["greeting"] == "Hello Eve"  # it lives on


def test_exit_before_the_answer(greeter):
    answer = greeter({"name": "x", "exit": 3})
    assert (answer.status, answer.error) == (200, "Unhandled")
    said = f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 3"
    assert answer.json == {"errorType": "Runtime.ExitError", "errorMessage": said}
    assert said in answer.lines and "Runtime.ExitError" in answer.lines
    assert greeter({"name": "Eve"}).json["greeting"] == "Hello Eve"  # in a new one


def test_several_at_once(greeter):
    """A client that knows AWS_LAMBDA_MAX_CONCURRENCY asks for several events; one that does not is served, too."""
    greeter.client.update_function_configuration(
        FunctionName=greeter.name, Environment={"Variables": {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}})
    greeter.client.get_waiter("function_updated_v2").wait(FunctionName=greeter.name, WaiterConfig={"Delay": 1})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: greeter({"name": str(i)}), range(24)))
    assert [answer.error for answer in answers] == [None] * 24, answers[0].log
    assert [answer.json for answer in answers] == [
        {"greeting": f"Hello {i}", "requestId": answer.request_id} for i, answer in enumerate(answers)]
