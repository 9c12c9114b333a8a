# SPDX-License-Identifier: Apache-2.0
"""The messages between the server and this runtime, as src/wire/wire.h has them: a header, fields in
order, descriptors beside. Every step of reading is bounded."""

import array
import os
import socket
import struct

MAGIC, VERSION = 0x45535552, 1
BODY_MAX = 128 * 1024
FDS_MAX = 200
INLINE_MAX = 16 * 1024
SPAWN, SPAWNED, READY, JOBS, RESULT, WALLS, LEARNED = 1, 2, 3, 4, 5, 6, 10
TEMPLATE, INSTANCE, LIBRARIES = 1, 2, 3
INLINE, FD, MISSING = 0, 1, 2


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
