"""client.py stream|echo TARGET COUNT - the measuring end of a connection.

TARGET is unix:PATH or tcp:HOST:PORT. stream: asks the test workload's stream port for COUNT bytes and prints the bytes
per second. echo: COUNT round trips of 64 bytes, prints the milliseconds of each. The same program measures every path,
on the host and in a container. One JSON value on stdout.
"""
import json
import socket
import sys
import time


def connect(target):
    kind, rest = target.split(":", 1)
    if kind == "unix":
        s = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 10
        while True:
            try:
                s.connect(rest)
                return s
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
    host, port = rest.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_exactly(s, n, buf):
    left = n
    while left:
        got = s.recv_into(buf, min(left, len(buf)))
        if not got:
            sys.exit(f"the connection ended {left} bytes early")
        left -= got


def stream(s, count):
    buf = bytearray(1 << 20)
    s.sendall(b"%d\n" % count)
    read_exactly(s, 1, buf)  # the connection's own set-up is not measured
    start = time.monotonic()
    read_exactly(s, count - 1, buf)
    return (count - 1) / (time.monotonic() - start)


def echo(s, count):
    buf = bytearray(64)
    times = []
    for i in range(count + 20):
        start = time.monotonic()
        s.sendall(b"x" * 64)
        read_exactly(s, 64, buf)
        if i >= 20:  # warm
            times.append((time.monotonic() - start) * 1000)
    return times


what, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
conn = connect(target)
conn.settimeout(60)
print(json.dumps({"stream": stream, "echo": echo}[what](conn, count)))
