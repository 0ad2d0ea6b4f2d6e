"""Follows a topic of a node through a proxy, by the standard library alone: python3 follow.py HOST CA TOKEN COUNT.

Prints what each message is, until COUNT items came; answers pings meanwhile.
"""

import base64
import json
import os
import socket
import ssl
import struct
import sys

HOST, CA, TOKEN, COUNT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

stream = ssl.create_default_context(cafile=CA).wrap_socket(
    socket.create_connection((HOST, 443), timeout=30), server_hostname=HOST
)
key = base64.b64encode(os.urandom(16)).decode()
stream.sendall(
    f"GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
)
wire = stream.makefile("rb")
print(wire.readline().decode().strip())
while wire.readline().strip():
    pass


def send(kind, payload):
    mask = os.urandom(4)
    length = len(payload)
    head = bytes([0x80 | kind, 0x80 | min(length, 126)])
    if length >= 126:
        head += struct.pack(">H", length)
    stream.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))


def receive():
    kind, length = wire.read(2)
    if length == 126:
        (length,) = struct.unpack(">H", wire.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", wire.read(8))
    return kind & 0x0F, wire.read(length)


def tell(message):
    send(1, json.dumps(message).encode())


tell({"op": "auth", "token": TOKEN})
tell({"op": "subscribe", "topic": "resources", "arguments": {"interval_ms": 1000}})
items = 0
while items < COUNT:
    kind, payload = receive()
    if kind == 9:
        send(10, payload)
    elif kind == 8:
        sys.exit(f"closed: {payload!r}")
    elif kind == 1:
        message = json.loads(payload)
        items += message["type"] == "item"
        print(message["type"], message.get("node", ""))
