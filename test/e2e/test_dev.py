# SPDX-License-Identifier: Apache-2.0
"""rouse dev: what changes is deployed, what functions say is shown, Ctrl-C ends it. And logs of several functions."""
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import time
import uuid

import pytest
from conftest import PATIENCE_S
from test_cli import INVALID, NOT_FOUND, PROGRAM, Cli

YML = """
service: {name}
provider: {{name: aws, runtime: python3.12, memorySize: 128}}
package: {{individually: true}}
functions:
  one: {{handler: one.main, package: {{patterns: ["!**", one.py]}}}}
  two: {{handler: two.main, package: {{patterns: ["!**", two.py]}}}}
"""


def code(text):
    return f"def main(event, context):\n    print('{text} speaks')\n    return '{text}'\n"


@pytest.fixture
def cli(server, tmp_path):
    cli = Cli(server, tmp_path)
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.write("serverless.yml", YML.format(name=cli.name))
    cli.write("one.py", code("first"))
    cli.write("two.py", code("second"))
    return cli


class Dev:
    """rouse dev in a folder; `expect` waits for what it says."""

    def __init__(self, cli, *args, **more):
        self.all, self.seen = "", 0
        self.process = subprocess.Popen([PROGRAM, "dev", *args], cwd=cli.folder, env=cli.env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **more)
        os.set_blocking(self.process.stdout.fileno(), False)

    def expect(self, text):
        """What was said up to and with it, since the last time."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.all[self.seen:]:
            assert time.monotonic() < end and self.process.poll() is None, f"no {text!r} in:\n{self.all}"
            select.select([self.process.stdout], [], [], 1)
            self.all += (self.process.stdout.read() or b"").decode()
        at = self.all.index(text, self.seen) + len(text)
        said, self.seen = self.all[self.seen:at], at
        return said

    def end(self, number=signal.SIGINT):
        os.killpg(self.process.pid, number)
        status = self.process.wait(PATIENCE_S)
        self.all += (self.process.stdout.read() or b"").decode()
        return status


@pytest.fixture
def dev(cli):
    started = []

    def start(*args, **more):
        started.append(Dev(cli, *args, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_changes_are_deployed_and_logs_shown(cli, dev):
    it = dev()
    said = it.expect("Watching for changes")
    assert f"Service deployed to stack {cli.name}-dev" in said and "\033" not in said
    assert cli.json("invoke", "-f", "one")["Payload"] == "first"
    assert "one " in it.expect("first speaks").splitlines()[-1]
    it.expect("REPORT RequestId")
    cli.json("invoke", "-f", "two")
    assert "two " in it.expect("second speaks").splitlines()[-1]

    cli.write("one.py", code("third"))
    said = it.expect("updated")
    assert "one.py changed" in said and "✔ one updated" in said  # and not two
    assert cli.json("invoke", "-f", "one")["Payload"] == "third"
    it.expect("third speaks")

    cli.write("notes.txt", "of no function")
    assert "✔ nothing to update" in it.expect("to update")
    cli.write(".git/index", "nobody looks there")
    cli.write("one.py~", "an editor's")
    cli.write("one.py", code("fourth"))
    said = it.expect("updated")
    assert "one.py changed" in said and said.count("changed") == 1

    assert it.end() == 0
    assert it.all.endswith("Stopped. rouse remove takes away what is deployed.\n")


def test_mistakes_are_told_and_mended(cli, dev):
    it = dev()
    it.expect("Watching for changes")
    yml = YML.format(name=cli.name)
    cli.write("serverless.yml", yml.replace("one: {handler", "one: {handlr"))
    assert 'did you mean "handler"?' in it.expect("handler\"?")
    cli.write("serverless.yml", yml + "  three: {handler: three.main}\n")
    cli.write("three.py", code("later"))
    it.expect("three updated")
    cli.json("invoke", "-f", "three")
    it.expect("later speaks")
    cli.write("serverless.yml", yml)
    it.expect("updated")
    cli("invoke", "-f", "three", status=NOT_FOUND)
    os.unlink(cli.folder / "serverless.yml")
    it.expect("there is no serverless.yml")
    assert it.end(signal.SIGTERM) == 0


def test_builds(cli, dev):
    """What a build writes is deployed, and is no change that builds again."""
    cli.write("serverless.yml", YML.format(name=cli.name) + """
custom:
  scripts:
    hooks: {"before:package:initialize": "sed s/WORD/word/ one.in > one.py; echo x >> built; grep -q main one.in"}
""")
    cli.write("one.in", code("WORD 1"))
    it = dev()
    it.expect("Watching for changes")
    cli.write("one.in", code("WORD 2"))
    it.expect("one updated")
    assert cli.json("invoke", "-f", "one")["Payload"] == "word 2"
    cli.write("one.in", "broken")
    it.expect("ended with status 1")
    cli.write("one.in", code("WORD 3"))
    it.expect("one updated")
    assert cli.json("invoke", "-f", "one")["Payload"] == "word 3"
    assert (cli.folder / "built").read_text() == "x\n" * 4
    assert it.end() == 0


def test_nothing_is_left_behind(cli, dev):
    it = dev()
    it.expect("Watching for changes")
    children = pathlib.Path(f"/proc/{it.process.pid}/task/{it.process.pid}/children").read_text().split()
    assert len(children) == 1  # the logs
    it.process.kill()  # not even a chance to say good-bye
    it.process.wait()
    end = time.monotonic() + PATIENCE_S
    while pathlib.Path(f"/proc/{children[0]}").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_without_a_server_or_a_project(cli, tmp_path):
    told = cli("dev", "--endpoint-url", "http://127.0.0.1:1", status=10).err
    assert "\nError: no server answers at http://127.0.0.1:1. Start one: rouse serve\n" in told
    (tmp_path / "serverless.yml").unlink()
    assert "rouse create" in cli("dev", status=NOT_FOUND).err


def test_on_a_terminal_it_is_coloured(cli):
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cli.folder)
        os.execve(PROGRAM, ["rouse", "dev"], {**cli.env, "TERM": "xterm"})
    out = b""
    end = time.monotonic() + PATIENCE_S
    while b"speaks" not in out:
        assert time.monotonic() < end, out
        if select.select([fd], [], [], 1)[0]:
            out += os.read(fd, 65536)
        if b"Watching" in out and b"START" not in out:
            cli.json("invoke", "-f", "one")
    os.write(fd, b"\x03")
    while True:
        try:
            out += os.read(fd, 65536)
        except OSError:  # its end
            break
    assert os.waitpid(pid, 0)[1] == 0
    assert b"\033[36mone\033[0m" in out and "✔".encode() in out and b"Stopped." in out


# ---- rouse logs without -f

def test_logs_of_all_functions(cli):
    cli("deploy")
    for name in ("one", "two", "one"):
        cli("invoke", "-f", name)
    lines = [line.split() for line in cli("logs").out.splitlines() if "speaks" in line]
    assert [(line[0], line[2]) for line in lines] == [("one", "first"), ("two", "second"), ("one", "first")]
    values = [json.loads(line) for line in cli("logs", "--json", "--filter", "speaks").out.splitlines()]
    assert [v["function"] for v in values] == [f"{cli.name}-dev-{n}" for n in ("one", "two", "one")]
    assert all(v["timestamp"].endswith("Z") for v in values)
    cli("remove")
    assert "There is no function" in cli("logs", status=NOT_FOUND).err
    (cli.folder / "serverless.yml").unlink()
    assert "-f NAME is missing" in cli("logs", status=INVALID).err
