#!/usr/bin/env python3
"""unixcat.py SOCKET - stdin to a unix socket, and what comes back to stdout."""
import socket, sys

s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1].encode()) if len(sys.argv[1]) < 108 else sys.exit("the path is too long")
try:
    s.sendall(sys.stdin.buffer.read())
    s.shutdown(socket.SHUT_WR)
    while data := s.recv(65536):
        sys.stdout.buffer.write(data)
except OSError as e:
    sys.exit(str(e))
