"""client.py stream|streams|sink|echo|first|crowd TARGET COUNT - the measuring end of a connection.

TARGET is unix:PATH or tcp:HOST:PORT. stream: asks the test workload's stream port for COUNT bytes and prints the bytes
per second; streams: the same over eight connections at once; sink: sends them. echo: COUNT round trips of 64 bytes, prints the milliseconds of each. first: COUNT connections one after
another, the milliseconds of each to the first byte of an echo; crowd: 100 connections at the same time, each with COUNT round trips, the
milliseconds of all of them. The same program measures every path,
on the host and in a container. One JSON value on stdout.
"""
import json
import selectors
import socket
import sys
import threading
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


def sink(s, count):
    block = bytes(1 << 18)
    s.sendall(b"sink\n")
    start = time.monotonic()
    for _ in range(count // len(block)):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
    if int(s.makefile().readline()) != count // len(block) * len(block):
        sys.exit("not all has arrived")
    return count / (time.monotonic() - start)


def ready(to):
    s = connect(to)
    s.settimeout(60)
    return s


def streams(to, count):
    each = [ready(to) for _ in range(8)]
    buf = [bytearray(1 << 18) for _ in each]
    threads = [threading.Thread(target=read_exactly, args=(s, count // 8, b)) for s, b in zip(each, buf)]
    start = time.monotonic()
    for s in each:
        s.sendall(b"%d\n" % (count // 8))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return count / (time.monotonic() - start)


def first(to, count):
    times = []
    for _ in range(count):
        start = time.monotonic()
        with ready(to) as s:
            s.sendall(b"x")
            s.recv(1)
        times.append((time.monotonic() - start) * 1000)
    return times


def crowd(to, count):
    """One thread each would measure Python's own turns: one loop for all."""
    sel = selectors.DefaultSelector()
    all_of = [ready(to) for _ in range(100)]
    times = []
    for s in all_of:
        s.setblocking(False)
        sel.register(s, selectors.EVENT_READ, [0, 0, 0.0])  # rounds, bytes of this one, since

    def send(s, state):
        state[1], state[2] = 0, time.monotonic()
        s.send(b"x" * 64)

    for s in all_of:
        send(s, sel.get_key(s).data)
    left = len(all_of)
    while left:
        for key, _ in sel.select(60):
            s, state = key.fileobj, key.data
            got = s.recv(64 - state[1])
            if not got:
                sys.exit("a connection of the crowd ended")
            state[1] += len(got)
            if state[1] < 64:
                continue
            times.append((time.monotonic() - state[2]) * 1000)
            state[0] += 1
            if state[0] < count:
                send(s, state)
            else:
                sel.unregister(s)
                left -= 1
    return times


what, target, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what in ("streams", "first", "crowd"):
    print(json.dumps({"streams": streams, "first": first, "crowd": crowd}[what](target, number)))
else:
    print(json.dumps({"stream": stream, "sink": sink, "echo": echo}[what](ready(target), number)))
