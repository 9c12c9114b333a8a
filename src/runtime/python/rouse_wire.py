# SPDX-License-Identifier: Apache-2.0
"""The messages between the server and this runtime, as src/wire/wire.h has them: a header, fields in
order, descriptors beside. Every step of reading is bounded."""

import array
import os
import socket
import struct

from rouse_job import Job

MAGIC, VERSION = 0x45535552, 1
BODY_MAX = 128 * 1024
FDS_MAX = 200
INLINE_MAX = 16 * 1024
SPAWN, SPAWNED, READY, JOBS, RESULT, WALLS, LEARNED = 1, 2, 3, 4, 5, 6, 10
TEMPLATE, INSTANCE, LIBRARIES = 1, 2, 3
INLINE, FD, MISSING = 0, 1, 2

HEADER = struct.Struct("<IHHII")
U32 = struct.Struct("<I")
JOB_HEAD = struct.Struct("<QQII")  # number, deadline, where the payload lies, its size
JOB_TAIL = struct.Struct("<QI")  # deadline in wall time, size of the context
RESULT_HEAD = struct.Struct("<IHHIIQIIIII")  # the header, then a result up to its answer
RESULT_TAIL = struct.Struct("<QQQI")  # what comes after it
CONTROL_MAX = socket.CMSG_SPACE(FDS_MAX * 4)


class ProtocolError(Exception):
    """The peer sent what wire.h does not allow."""


class Reader:
    """Walks a received body."""

    def __init__(self, body, fds):
        self.body, self.at, self.fds = body, 0, fds

    def take(self, size):
        if size > len(self.body) - self.at:
            raise ProtocolError("a message is shorter than it says")
        self.at += size
        return self.body[self.at - size : self.at]

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def bytes(self):
        return self.take(self.u32())

    def text(self):
        return str(self.bytes(), "utf-8", "replace")

    def job(self):
        """The most frequent of all, so it is read in few steps."""
        body, at = self.body, self.at
        number, _, kind, size = JOB_HEAD.unpack_from(body, at)
        if kind == FD:
            self.at = at + 16
            payload = self.place()
            at = self.at
        else:
            at += JOB_HEAD.size + size
            payload = body[at - size : at]
        if U32.unpack_from(body, at)[0]:
            at = self.skip_objects(at)
        size = U32.unpack_from(body, at + 4)[0]
        at += 8 + size
        request_id = str(body[at - size : at], "ascii", "replace")
        deadline_ms, size = JOB_TAIL.unpack_from(body, at)
        at += JOB_TAIL.size + size
        if at > len(body):
            raise ProtocolError("a message is shorter than it says")
        context = str(body[at - size : at], "utf-8", "replace") if size else ""
        self.at = at
        return Job(number, request_id, deadline_ms, payload, context)

    def skip_objects(self, at):
        """They are for models. Where their count would stand if there were none."""
        self.at = at
        for _ in range(self.u32()):
            self.bytes(), self.bytes(), self.place()
        return self.at - 4

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
    header = HEADER.pack(MAGIC, VERSION, kind, len(body), len(fds))
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([header, body], control)


def descriptors(control):
    fds = array.array("i")
    for level, what, payload in control:
        if level == socket.SOL_SOCKET and what == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % 4])
    return fds.tolist()


def header_check(data, size, fds):
    """The kind of the message."""
    if size < HEADER.size:
        raise ProtocolError("a message without a header")
    magic, version, kind, body_size, fd_count = HEADER.unpack_from(data)
    wrong = magic != MAGIC or version != VERSION
    if wrong or body_size != size - HEADER.size or fd_count != len(fds):
        raise ProtocolError("a message that is not one of ours")
    return kind


def receive(sock):
    """(kind, Reader), or None at the end of the file, which may come before all of ours was read."""
    try:
        data, control, _, _ = sock.recvmsg(BODY_MAX + HEADER.size, CONTROL_MAX)
    except ConnectionResetError:
        return None
    fds = descriptors(control)
    if not data:
        return None
    return header_check(data, len(data), fds), Reader(data[HEADER.size :], fds)


class Channel:
    """Jobs in, results out. The messages of each call, so they are read and written in as few steps as
    Python can do it in."""

    def __init__(self, sock):
        self.sock, self.fds = sock, ()
        self.buffer = memoryview(bytearray(BODY_MAX + HEADER.size))
        self.into = [self.buffer]

    def jobs(self):
        """Those of one message, or None at the end of the file."""
        size, control, _, _ = self.sock.recvmsg_into(self.into, CONTROL_MAX)
        self.fds = descriptors(control) if control else ()
        if size == 0:
            return None
        if header_check(self.buffer, size, self.fds) != JOBS:
            raise ProtocolError("an instance is only given jobs")
        reader = Reader(self.buffer[HEADER.size : size], self.fds)
        try:
            return [reader.job() for _ in range(reader.u32())]
        except struct.error:
            raise ProtocolError("a message is shorter than it says") from None

    def close_fds(self):
        for fd in self.fds:
            os.close(fd)

    def result(self, number, failed, answer, run_us, memory_kb):
        size = len(answer)
        if size > INLINE_MAX:
            self.result_large(number, failed, answer, run_us, memory_kb)
            return
        body_size = RESULT_HEAD.size - HEADER.size + size + RESULT_TAIL.size
        head = RESULT_HEAD.pack(MAGIC, VERSION, RESULT, body_size, 0, number, 2 * failed, 0, 0, INLINE, size)
        self.sock.send(head + answer + RESULT_TAIL.pack(0, run_us, memory_kb, 0))

    def result_large(self, number, failed, answer, run_us, memory_kb):
        fd = os.memfd_create("answer", os.MFD_CLOEXEC)
        view = memoryview(answer)
        while view:
            view = view[os.write(fd, view) :]
        body = u64(number) + u32(2 * failed) + packed(b"") + packed(b"")
        body += u32(FD) + u32(0) + u64(0) + u64(len(answer))
        send(self.sock, RESULT, body + RESULT_TAIL.pack(0, run_us, memory_kb, 0), [fd])
        os.close(fd)
