# SPDX-License-Identifier: Apache-2.0
"""The clients that people use, unmodified and signed: a bucket, 1 KB and 100 MB, list, copy, presign,
delete."""
import shutil
import subprocess
import sys
import urllib.request
import uuid

import pytest

from s3_support import MIB, client, environment, random_bytes

LARGE_SIZE = 100 * 1000 * 1000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "small.bin").write_bytes(random_bytes(1024, 1))
    (folder / "large.bin").write_bytes(random_bytes(LARGE_SIZE, 2))
    return folder


@pytest.fixture
def bucket():
    return "tools-" + uuid.uuid4().hex[:12]


class Tool:
    """Runs a program with the server's credentials in a home of its own."""

    def __init__(self, server, home, *command):
        self.command, self.home = list(command), home
        self.environment = {**environment(server), "HOME": str(home)}

    def __call__(self, *arguments, check=True):
        done = subprocess.run([*self.command, *map(str, arguments)], cwd=self.home,
                              env=self.environment, capture_output=True, timeout=300, check=False)
        if check:
            assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()


def program(name):
    path = shutil.which(name)
    if not path:
        pytest.skip(f"{name} is not installed")
    return path


def aws_command():
    """The AWS CLI of this Python where there is one, else the one on the path."""
    try:
        import awscli  # noqa: F401 pylint: disable=unused-import,import-outside-toplevel
        return [sys.executable, "-m", "awscli"]
    except ImportError:
        return [program("aws")]


def same(path, other):
    return path.read_bytes() == other.read_bytes()


def fetch(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_boto3(server, files, bucket, tmp_path):
    s3 = client(server)
    s3.create_bucket(Bucket=bucket)
    for name in ("small.bin", "large.bin"):
        s3.upload_file(str(files / name), bucket, name)
    assert [(o["Key"], o["Size"]) for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [
        ("large.bin", LARGE_SIZE), ("small.bin", 1024)]
    assert "-" in s3.head_object(Bucket=bucket, Key="large.bin")["ETag"]
    s3.copy({"Bucket": bucket, "Key": "large.bin"}, bucket, "copy.bin")
    s3.download_file(bucket, "copy.bin", str(tmp_path / "back.bin"))
    assert same(tmp_path / "back.bin", files / "large.bin")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "small.bin"})
    assert fetch(url) == (files / "small.bin").read_bytes()
    s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": key} for key in ("small.bin", "large.bin", "copy.bin")]})
    s3.delete_bucket(Bucket=bucket)


def test_aws_s3(server, files, bucket, tmp_path):
    aws = Tool(server, tmp_path, *aws_command(), "s3")
    aws("mb", f"s3://{bucket}")
    aws("cp", files / "small.bin", f"s3://{bucket}/small.bin")
    aws("cp", files / "large.bin", f"s3://{bucket}/d/large.bin", "--no-progress")
    listed = aws("ls", "--recursive", f"s3://{bucket}").splitlines()
    assert [line.split()[2:] for line in listed] == [
        [str(LARGE_SIZE), "d/large.bin"], ["1024", "small.bin"]]
    assert aws("ls", f"s3://{bucket}").splitlines()[0].strip() == "PRE d/"
    aws("cp", f"s3://{bucket}/d/large.bin", f"s3://{bucket}/copy.bin", "--no-progress")
    aws("cp", f"s3://{bucket}/copy.bin", "back.bin", "--no-progress")
    assert same(tmp_path / "back.bin", files / "large.bin")
    assert fetch(aws("presign", f"s3://{bucket}/small.bin")) == (files / "small.bin").read_bytes()
    aws("sync", f"s3://{bucket}/d", "synced", "--no-progress")
    assert same(tmp_path / "synced/large.bin", files / "large.bin")
    assert "delete:" not in aws("sync", "synced", f"s3://{bucket}/d", "--delete", "--no-progress")
    aws("mv", f"s3://{bucket}/small.bin", f"s3://{bucket}/moved.bin")
    aws("rb", "--force", f"s3://{bucket}")
    assert bucket not in aws("ls")


def test_aws_s3api(server, files, bucket, tmp_path):
    api = Tool(server, tmp_path, *aws_command(), "s3api")
    api("create-bucket", "--bucket", bucket)
    at = ("--bucket", bucket, "--key")
    for name in ("small.bin", "large.bin"):
        api("put-object", *at, name, "--body", files / name, "--checksum-algorithm", "SHA256")
    text = ("--output", "text", "--query")
    assert api("list-objects-v2", "--bucket", bucket, *text, "Contents[].[Key,Size]").split() == [
        "large.bin", str(LARGE_SIZE), "small.bin", "1024"]
    api("copy-object", *at, "copy", "--copy-source", f"{bucket}/large.bin")
    api("get-object", *at, "copy", "--checksum-mode", "ENABLED", "back.bin")
    assert same(tmp_path / "back.bin", files / "large.bin")
    assert "NoSuchKey" in subprocess.run(
        [*api.command, "get-object", *at, "none", "x"], env=api.environment, cwd=tmp_path,
        capture_output=True, check=False).stderr.decode()
    for key in ("small.bin", "large.bin", "copy"):
        api("delete-object", *at, key)
    api("delete-bucket", "--bucket", bucket)


def test_s3cmd(server, files, bucket, tmp_path):
    netloc = server.url.split("//")[1]
    (tmp_path / "config").write_text(
        f"[default]\naccess_key = {server.access_key}\nsecret_key = {server.secret_key}\n"
        f"host_base = {netloc}\nhost_bucket = {netloc}\nuse_https = False\n")
    s3cmd = Tool(server, tmp_path, program("s3cmd"), "-c", "config", "--no-progress")
    s3cmd("mb", f"s3://{bucket}")
    s3cmd("put", files / "small.bin", f"s3://{bucket}/small.bin")
    s3cmd("put", files / "large.bin", f"s3://{bucket}/d/large.bin", "--multipart-chunk-size-mb=15")
    listed = s3cmd("ls", "-r", f"s3://{bucket}").splitlines()
    assert [line.split()[2:] for line in listed] == [
        [str(LARGE_SIZE), f"s3://{bucket}/d/large.bin"], ["1024", f"s3://{bucket}/small.bin"]]
    assert "File size: 1024" in s3cmd("info", f"s3://{bucket}/small.bin")
    s3cmd("cp", f"s3://{bucket}/d/large.bin", f"s3://{bucket}/copy.bin")
    s3cmd("get", f"s3://{bucket}/copy.bin", "back.bin")
    assert same(tmp_path / "back.bin", files / "large.bin")
    url = s3cmd("signurl", f"s3://{bucket}/small.bin", "+600")
    assert fetch(url) == (files / "small.bin").read_bytes()
    s3cmd("rm", "-r", "--force", f"s3://{bucket}")
    s3cmd("rb", f"s3://{bucket}")
    assert bucket not in s3cmd("ls")


def test_rclone(server, files, bucket, tmp_path):
    (tmp_path / "config").write_text(
        f"[r]\ntype = s3\nprovider = Other\naccess_key_id = {server.access_key}\n"
        f"secret_access_key = {server.secret_key}\nendpoint = {server.url}\nregion = us-east-1\n")
    rclone = Tool(server, tmp_path, program("rclone"), "--config", "config",
                  "--s3-upload-cutoff", "10M", "--s3-chunk-size", "10M")
    rclone("mkdir", f"r:{bucket}")
    rclone("copyto", files / "small.bin", f"r:{bucket}/small.bin")
    rclone("copyto", files / "large.bin", f"r:{bucket}/d/large.bin")
    listed = sorted(line.split() for line in rclone("ls", f"r:{bucket}").splitlines())
    assert listed == [[str(LARGE_SIZE), "d/large.bin"], ["1024", "small.bin"]]
    rclone("copyto", f"r:{bucket}/d/large.bin", f"r:{bucket}/copy.bin")
    rclone("copyto", f"r:{bucket}/copy.bin", "back.bin")
    assert same(tmp_path / "back.bin", files / "large.bin")
    rclone("check", files, f"r:{bucket}", "--include", "small.bin", "--one-way")
    assert fetch(rclone("link", f"r:{bucket}/small.bin")) == (files / "small.bin").read_bytes()
    rclone("purge", f"r:{bucket}")
    assert bucket not in rclone("lsd", "r:")


def test_sizes_of_the_files(files):
    assert LARGE_SIZE > 64 * MIB and (files / "large.bin").stat().st_size == LARGE_SIZE
