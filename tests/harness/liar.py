# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that lies about what it lends: a program between a daemon and those who call it.

It passes libvirt's messages on, and puts lies in place of frames of sessions (wire.py) that come from the daemon.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import wire  # noqa: E402

PORT = 16600
STREAM = 3  # virNetMessageType
LIES = ("damaged-bytes", "cut-frame", "absurd-length", "endless", "stall", "flood")  # and "other-digests"


def lie(name, kind, ident, payload, flags):
    """What is sent in place of a frame; None: the frame itself."""
    if name == "other-digests" and kind == wire.DIGEST_LIST:
        return wire.frame(kind, payload[:4] + bytes(b ^ 0xff for b in payload[4:]), ident, flags=flags)
    if kind != wire.DATA:
        return None
    return {"damaged-bytes": lambda: wire.frame(kind, payload[:-1] + bytes([payload[-1] ^ 1]), ident, flags=flags),
            "cut-frame": lambda: wire.frame(kind, payload, ident, flags=flags)[:-len(payload) // 2],
            "absurd-length": lambda: wire.frame(kind, payload, ident, flags=flags, length=0x7fffffff),
            "endless": lambda: b"".join(wire.frame(kind, payload[:4096], 10**6 + n, flags=flags) for n in range(256)),
            "stall": lambda: b""}.get(name, lambda: None)()


def read(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frames(held, name):
    """Takes whole frames out of `held`; what is sent instead."""
    out = b""
    while len(held) >= 24:
        _, kind, flags, _, ident, length = struct.unpack(">IBBHII", held[:16])
        if len(held) < 24 + length:
            break
        whole = bytes(held[:24 + length])
        del held[:24 + length]
        told = lie(name, kind, ident, whole[24:], flags)
        out += whole if told is None else told
    return out


def flood(client, head):
    """Messages that are none of anything, without end, whatever the other side says."""
    data = b"".join(wire.frame(wire.PONG) for _ in range(2000))
    part = struct.pack(">I", len(head) + len(data) + 4) + head + data
    while True:
        client.sendall(part)


def answers(daemon, client, name):
    """From the daemon to who has called it."""
    held = {}  # serial of a stream -> bytes of a frame that is not whole yet
    while True:
        length, = struct.unpack(">I", read(daemon, 4))
        message = read(daemon, length - 4)
        kind, serial = struct.unpack(">II", message[12:20])
        data = message[24:]
        if kind == STREAM and data and (serial in held or data.startswith(b"RPLW")):
            held.setdefault(serial, bytearray()).extend(data)
            if name == "flood" and len(held[serial]) > 4096:
                flood(client, message[:24])
            data = frames(held[serial], name)
            for at in range(0, len(data), 65536):
                part = message[:24] + data[at:at + 65536]
                client.sendall(struct.pack(">I", len(part) + 4) + part)
        else:
            client.sendall(struct.pack(">I", length) + message)


def questions(client, daemon):
    while data := client.recv(65536):
        daemon.sendall(data)


def carry(function, *sockets):
    def run():
        try:
            function(*sockets)
        except (OSError, EOFError):
            pass
        for each in sockets[:2]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    threading.Thread(target=run, daemon=True).start()


def main(name):
    server = socket.create_server(("0.0.0.0", PORT))
    while True:
        client, _ = server.accept()
        daemon = socket.create_connection(("127.0.0.1", 16509))
        carry(answers, daemon, client, name)
        carry(questions, client, daemon)


class Liar:
    """Runs on `host`; calls to PORT there get the lie `name`."""

    def __init__(self, host, name):
        self.process = subprocess.Popen(host.enter_argv() + [sys.executable, "-B", os.path.abspath(__file__), name])
        end = time.monotonic() + 30
        while host.run("python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT})).close()",
                       check=False).returncode != 0:
            assert time.monotonic() < end, "the liar does not listen"
            time.sleep(0.1)

    def close(self):
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
