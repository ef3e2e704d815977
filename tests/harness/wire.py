# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another implementation of what two hosts say to each other (libvirt-storage-replication-wire(7)), to say it wrongly, too."""

import ctypes
import struct
import uuid

FLAG = 1 << 20
HELLO, WELCOME, ERROR, PING, PONG, BYE, OK = range(1, 8)
DESCRIBE, CHAIN, HOLD, CHECK, RUNS, RUN_LIST, READ, DATA, DIGESTS, DIGEST_LIST = range(16, 26)
STATUS, CONTROL = 32, 33
PULL, PUSH = 1, 2

_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
_xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_xxhash.XXH3_64bits_withSeed.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)


def text(value):
    if value is None:
        return struct.pack(">I", 0xffffffff)
    return struct.pack(">I", len(value.encode())) + value.encode()


def frame(kind, payload=b"", ident=0, length=None, magic=0x52504c57, flags=0):
    head = struct.pack(">IBBHII", magic, kind, flags, 0, ident, len(payload) if length is None else length)
    seed = _xxhash.XXH3_64bits(head, len(head))
    return head + struct.pack(">Q", _xxhash.XXH3_64bits_withSeed(payload, len(payload), seed)) + payload


def hello(purpose=PULL, job=None, epoch=1, versions=(1, 1), request=None, host_id=None):
    return (struct.pack(">HHB", *versions, purpose) + text(job or str(uuid.uuid4())) + struct.pack(">Q", epoch)
            + text(host_id or str(uuid.UUID(int=7))) + text("a test") + text(request))


def read_range(layer, offset, length):
    return struct.pack(">IQI", layer, offset, length)


class Session:
    """A session as the client of a connection to a host."""

    def __init__(self, host, pool, volume):
        self.conn = host.connect()
        vol = self.conn.storagePoolLookupByName(pool).storageVolLookupByName(volume)
        self.stream = self.conn.newStream(0)
        vol.download(self.stream, 0, 0, FLAG)

    def send(self, data):
        while data:
            data = data[self.stream.send(data[:65536]):]

    def _receive(self, count):
        data = b""
        while len(data) < count:
            more = self.stream.recv(count - len(data))
            if not more:
                return None
            data += more
        return data

    def receive(self, skip=(PING, PONG)):
        """(type, id, payload) of the next frame that is none of `skip`; None at the end."""
        while True:
            head = self._receive(24)
            if head is None:
                return None
            magic, kind, flags, _, ident, length, _ = struct.unpack(">IBBHIIQ", head)
            assert magic == 0x52504c57 and flags == 0
            payload = self._receive(length) if length else b""
            if kind not in skip:
                return kind, ident, payload

    def ask(self, kind, payload=b"", ident=1):
        self.send(frame(kind, payload, ident))
        return self.receive()

    def greet(self, **kwargs):
        self.send(frame(HELLO, hello(**kwargs)))
        return self.receive()

    def close(self):
        try:
            self.stream.abort()
        finally:
            self.conn.close()


def error_of(payload):
    code, length = struct.unpack(">II", payload[:8])
    return code, payload[8:8 + length].decode()
