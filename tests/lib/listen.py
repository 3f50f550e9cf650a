#!/usr/bin/env python3
"""listen.py ADDRESS PORT FILE - takes TCP connections and UDP packets at the
address and writes a line "tcp PEER" or "udp PEER" for each to the file, after
the line "ready"."""
import selectors, socket, sys

address, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
tcp = socket.socket(family, socket.SOCK_STREAM)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind((address, port))
tcp.listen()
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.bind((address, port))


def note(text):
    with open(path, "a") as f:
        f.write(text + "\n")


sel = selectors.DefaultSelector()
sel.register(tcp, selectors.EVENT_READ)
sel.register(udp, selectors.EVENT_READ)
note("ready")
while True:
    for key, _ in sel.select():
        if key.fileobj is tcp:
            c, peer = tcp.accept()
            note("tcp " + peer[0])
            c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nhit\n")
            c.close()
        else:
            note("udp " + udp.recvfrom(65536)[1][0])
