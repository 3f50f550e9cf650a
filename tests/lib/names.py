#!/usr/bin/env python3
"""names.py ADDRESS LOG - a machine's name server: it knows "*.host.test" (192.0.2.77), and
nothing else. Each question that it gets is a line of LOG: "udp NAME" or "tcp NAME"."""
import socket
import struct
import sys
import threading

address, log = sys.argv[1], open(sys.argv[2], "a", buffering=1)


def answer(query, how):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    name = ".".join(labels).lower()
    kind = struct.unpack(">H", query[at + 1:at + 3])[0]
    print(how, name, file=log)
    known = name.endswith(".host.test")
    records = [bytes([192, 0, 2, 77])] if known and kind == 1 else []
    head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(records), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + r for r in records)
    return head + query[12:at + 5] + body


def by_tcp():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, 53))
    s.listen()
    while True:
        c, _ = s.accept()
        with c:
            n = struct.unpack(">H", c.recv(2, socket.MSG_WAITALL))[0]
            a = answer(c.recv(n, socket.MSG_WAITALL), "tcp")
            c.sendall(struct.pack(">H", len(a)) + a)


u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind((address, 53))
threading.Thread(target=by_tcp, daemon=True).start()
print("ready", file=log)
while True:
    q, who = u.recvfrom(4096)
    u.sendto(answer(q, "udp"), who)
