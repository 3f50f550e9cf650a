#!/usr/bin/env python3
"""Connections that tell how they ended.

tcp.py serve ADDRESS PORT [FILE]
    Each connection gets "hello", and once its sender has sent its end "N
    bytes, CRC, then the end". How it ended is noted in FILE, "end" or "reset";
    the first line there is "ready".
tcp.py call ADDRESS PORT COUNT BYTES
    COUNT connections at the same time, each sends BYTES, then its end, and
    reads the answer after that. Prints how many got the right one; the first
    other outcome goes to stderr.
tcp.py reset ADDRESS PORT
    Connects, waits for the hello, and resets.
tcp.py outcome ADDRESS PORT
    Connects and prints what comes of it: refused, reset, end, or the bytes.
tcp.py pull ADDRESS PORT BYTES / tcp.py ping ADDRESS PORT TIMES
    Measure: MB/s from a server of the tests' (port 9000), ms a round trip of 64 bytes.
"""
import os, socket, struct, sys, threading, time, zlib


def note(text):
    if len(sys.argv) > 4:
        with open(sys.argv[4], "a") as f:
            f.write(text + "\n")


def connect():
    return socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=60)


def read_all(s):
    n, crc = 0, 0
    while True:
        data = s.recv(65536)
        if not data:
            return n, crc
        n, crc = n + len(data), zlib.crc32(data, crc)


def answer(c):
    try:
        c.sendall(b"hello\n")
        got = read_all(c)
        note("end")
        c.sendall(b"%d bytes, %08x, then the end" % got)
        c.shutdown(socket.SHUT_WR)
    except ConnectionError:
        note("reset")
    c.close()


def serve():
    address, port = sys.argv[2], int(sys.argv[3])
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(1024)
    note("ready")
    while True:
        threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()


def one_call(data, good, lock):
    try:
        with connect() as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            got = b""
            while True:
                more = s.recv(4096)
                if not more:
                    break
                got += more
    except OSError as e:
        got = str(e).encode()
    with lock:
        if got == b"hello\n%d bytes, %08x, then the end" % (len(data), zlib.crc32(data)):
            good.append(1)
        elif "bad" not in globals():
            globals()["bad"] = got
            sys.stderr.write("one got: %r\n" % got)


def call():
    count, data = int(sys.argv[4]), os.urandom(int(sys.argv[5]))
    good, lock = [], threading.Lock()
    threads = [threading.Thread(target=one_call, args=(data, good, lock)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(len(good))


def reset():
    s = connect()
    assert s.recv(16) == b"hello\n"
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def outcome():
    try:
        s = connect()
        got = s.recv(4096)
        print(got.decode().strip() if got else "end")
    except ConnectionRefusedError:
        print("refused")
    except ConnectionResetError:
        print("reset")


def pull():
    size = int(sys.argv[4])
    s = connect()
    start = time.monotonic()
    s.sendall(b"%d\n" % size)
    got, _ = read_all(s)
    assert got == size, got
    print("%.1f MB/s" % (size / 1e6 / (time.monotonic() - start)))


def ping():
    s = connect()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    for _ in range(int(sys.argv[4])):
        start = time.monotonic()
        s.sendall(b"x" * 64)
        got = 0
        while got < 64:
            got += len(s.recv(64))
        times.append((time.monotonic() - start) * 1000)
    times.sort()
    print("p50 %.2f ms, p99 %.2f ms" % (times[len(times) // 2], times[len(times) * 99 // 100]))


{"serve": serve, "call": call, "reset": reset, "outcome": outcome, "pull": pull, "ping": ping}[sys.argv[1]]()
