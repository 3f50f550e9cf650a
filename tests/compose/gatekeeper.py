#!/usr/bin/env python3
"""gatekeeper.py NAME [NAME=VALUE...] - in a sidecar's place: answers entry gates
(sidecar-image/common/gate.h) at the abstract socket NAME, and gives them these
variables. It runs in the sidecar's image, before a real session does."""
import os
import socket
import sys


def environment(pairs):
    fd = os.memfd_create("env")
    os.write(fd, b"".join(p.encode() + b"\0" for p in pairs))
    return fd


def main(name, *pairs):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("\0" + name)
    listener.listen()
    while True:
        gate, _ = listener.accept()
        hello, fds, _, _ = socket.recv_fds(gate, 200, 1)
        print(hello.decode(), len(fds), flush=True)
        for fd in fds:
            os.close(fd)
        fd = environment(pairs)
        socket.send_fds(gate, [b"env"], [fd])
        os.close(fd)
        gate.send(b"go")
        gate.close()


main(*sys.argv[1:])
