#!/usr/bin/env python3
"""gatekeeper.py NAME ANSWER - listens at the abstract socket NAME and gives every entry gate that comes ANSWER
("go", "fail TEXT", or "wait": none); writes a line for each that came: its message and what it brought."""
import array
import os
import socket
import sys

name, answer = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind("\0" + name)
listener.listen(16)
print("listening", flush=True)
kept = []
while True:
    gate, _ = listener.accept()
    text, ancillary, _, _ = gate.recvmsg(256, socket.CMSG_SPACE(4))
    fds = array.array("i", ancillary[0][2] if ancillary else b"")
    print(text.decode(), *(os.readlink(f"/proc/self/fd/{fd}").split(":")[0] for fd in fds), flush=True)
    kept.append(gate)
    if answer != "wait":
        gate.send(answer.encode())
