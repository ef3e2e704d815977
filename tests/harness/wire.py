# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another implementation of what two hosts say to each other (libvirt-storage-replication-wire(7)), to say it wrongly, too."""

import ctypes
import hashlib
import json
import os
import struct
import sys
import time
import uuid

import libvirt

FLAG = 1 << 20
HELLO, WELCOME, ERROR, PING, PONG, BYE, OK = range(1, 8)
DESCRIBE, CHAIN, HOLD, CHECK, RUNS, RUN_LIST, READ, DATA, DIGESTS, DIGEST_LIST, KEY, KEY_HEADER, MAKE, MADE = range(16, 30)
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
        self._open(host, self.conn.storagePoolLookupByName(pool).storageVolLookupByName(volume))

    @classmethod
    def on(cls, conn, pool, volume):
        session = cls.__new__(cls)
        session.conn = conn
        session._open(None, conn.storagePoolLookupByName(pool).storageVolLookupByName(volume))
        return session

    def _open(self, host, vol):
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


_xxhash.XXH3_128bits.restype = type("Hash128", (ctypes.Structure,), {"_fields_": [("low", ctypes.c_uint64),
                                                                                   ("high", ctypes.c_uint64)]})
_xxhash.XXH3_128bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)


def checksum(data):
    value = _xxhash.XXH3_128bits(data, len(data))
    return struct.pack(">QQ", value.high, value.low)


class Layer:
    """A file as the layer of a chain that is told to another host; `facts` replace what is true of it."""

    def __init__(self, path, fmt="qcow2", pool="elsewhere", pool_uuid=str(uuid.UUID(int=8)), **facts):
        self.path = path
        info = os.stat(path)
        self.facts = {"volume": os.path.basename(path), "size": info.st_size, "format": fmt, "ino": info.st_ino,
                      "virtual": info.st_size, "pool": pool, "pool_uuid": pool_uuid, "backing": "raw"}
        if fmt == "qcow2":
            with open(path, "rb") as f:
                self.facts["virtual"], = struct.unpack(">Q", f.read(32)[24:])
        self.facts.update(facts)

    def bytes(self):
        f = self.facts
        return (text(f["volume"]) + text(f["pool"]) + text(f["pool_uuid"])
                + struct.pack(">QQQQQ", 1, f["ino"], f["size"], 10**18, 10**18) + text(f["format"]) + text(f["backing"])
                + struct.pack(">BIIQQQQ", self.flags(), 0, 0, min(f["size"], 1 << 40), f["virtual"], 0, 0)
                + text(f.get("usage")) + (text(f["on_demand"]) + struct.pack(">II", 0, 0) if "on_demand" in f else b""))

    def flags(self):
        """Encrypted when it has a key; made on demand by that action."""
        return (1 if self.facts.get("usage") else 0) | (8 if "on_demand" in self.facts else 0)

    def read(self, offset, length):
        with open(self.path, "rb") as f:
            f.seek(offset)
            return f.read(length)


class Holder(Session):
    """Pushes a chain: answers what the maker asks. `lies` replace answers: {question: function(payload) -> frame bytes or
    None, which is no answer at all}."""

    def __init__(self, host, pool, name, layers, lies=None, disks=()):
        # a handle of a volume that is not there: libvirt has it look up what it knows nothing of
        host.ok("vol-create-as", pool, name, "1")
        super().__init__(host, pool, name)
        self.layers = layers
        self.lies = lies or {}
        self.disks = disks  # of a full machine: the numbers of the data disks' first layers
        self.asked = []

    def _open(self, host, vol):
        host.ok("vol-delete", "--pool", vol.storagePoolLookupByVolume().name(), vol.name())
        super()._open(host, vol)

    @staticmethod
    def image(number):
        return (text(str(uuid.UUID(int=9 + number))) + text("available") + text(None) + b"\0" + text("web") + text(None))

    def chain(self):
        tail = b"".join(struct.pack(">I", first) + self.image(first) for first in self.disks)
        return (text("elsewhere") + text(str(uuid.UUID(int=8))) + text("cn-west-1") + text(None) + self.image(0)
                + struct.pack(">I", len(self.layers)) + b"".join(layer.bytes() for layer in self.layers)
                + (struct.pack(">I", len(self.disks)) + tail if self.disks else b""))

    def answer(self, kind, ident, payload):
        if kind in self.lies:
            return self.lies[kind](ident, payload)
        if kind == DESCRIBE:
            return frame(CHAIN, self.chain(), ident)
        if kind in (HOLD, CHECK):
            return frame(OK, b"", ident)
        layer, offset, length = struct.unpack(">IQI", payload)
        if kind == MAKE:
            return frame(MADE, struct.pack(">QQ", 7, os.stat(self.layers[layer].path).st_size), ident)
        if kind == RUNS:
            facts = self.layers[layer].facts
            size = os.stat(self.layers[layer].path).st_size if "on_demand" in facts else facts["size"]
            return frame(RUN_LIST, struct.pack(">QIQQ", (1 << 64) - 1, 1, offset, size - offset), ident)
        if kind == READ:
            data = self.layers[layer].read(offset, length)
            return frame(DATA, payload + checksum(data) + data, ident)
        assert kind == DIGESTS, kind
        blocks = [self.layers[layer].read(offset + n * 65536, 65536) for n in range(length)]
        digests = [hashlib.sha256(block).digest() for block in blocks if block]
        return frame(DIGEST_LIST, struct.pack(">I", len(digests)) + b"".join(digests), ident)

    def push(self, request="", timeout_s=60, **kwargs):
        """Serves until the other host's job is over. (state, what it says of its failure); None: it has ended the session."""
        xml = ("<volume><metadata><replication:replicate xmlns:replication='urn:libvirt-replication:1.0'"
               f"{request}/></metadata></volume>")
        reply = self.greet(purpose=PUSH, request=xml, **kwargs)
        if reply is None or reply[0] == ERROR:
            return reply and ("refused", error_of(reply[2])[1])
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            got = self.receive(skip=(PONG,))
            if got is None:
                return None
            kind, ident, payload = got
            if kind == STATUS:
                status = status_of(payload)
                if status["over"]:
                    return status["state"], status["error"]
            elif kind == PING:
                self.send(frame(PONG))
            elif kind != BYE:
                self.asked.append(kind)
                reply = self.answer(kind, ident, payload)
                if reply is not None:
                    self.send(reply)
        raise AssertionError("the push has not ended")


def status_of(payload):
    at = 1

    def get():
        nonlocal at
        length, = struct.unpack(">I", payload[at:at + 4])
        at += 4
        if length == 0xffffffff:
            return None
        at += length
        return payload[at - length:at].decode()

    status = {"over": payload[0] == 1, "volume": get(), "state": get()}
    at += 32 + 4
    status["error"] = get()
    return status


def main(uri, pool, volume, kind):
    """One greeting, for a test that runs this as another user; prints what came of it."""
    conn = libvirt.open(uri)
    try:
        session = Session.on(conn, pool, volume)
        purpose, _, options = kind.partition(" ")
        reply = session.greet(purpose=int(purpose), **json.loads(options or "{}"))
    except libvirt.libvirtError as err:
        print("refused", err)
        return
    if reply and reply[0] == ERROR:
        print("error", error_of(reply[2])[1])
    else:
        print("greeted" if reply and reply[0] == WELCOME else reply)


if __name__ == "__main__":
    main(*sys.argv[1:])
