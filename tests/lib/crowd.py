#!/usr/bin/env python3
"""Many connections to a server that echoes.

crowd.py serve PORT...
    Echoes; says "ready" once it listens.
crowd.py hold ADDRESS PORT IDLE ACTIVE ROUNDS
    Opens IDLE connections and leaves them, ACTIVE ones that send and get back a
    piece of 1000 bytes, ROUNDS times and all at once; then each idle one has to echo
    a word. Prints "held", waits for a line on stdin, and asks all once more.
crowd.py series ADDRESS PORT,PORT... COUNT WORKERS
    COUNT connections, one after another in each of WORKERS lanes: each has its word echoed.
Each prints how many were right; what was wrong first goes to stderr.
"""
import asyncio, resource, sys

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except ConnectionError:
        pass
    writer.close()


async def serve(*ports):
    servers = [await asyncio.start_server(echo, "0.0.0.0", int(p), backlog=4096) for p in ports]
    print("ready", flush=True)
    await asyncio.gather(*(s.serve_forever() for s in servers))


class Crowd:
    def __init__(self):
        self.good = 0
        self.wrong = None

    def check(self, got, want):
        if got == want:
            self.good += 1
        elif not self.wrong:
            self.wrong = got
            sys.stderr.write("one got: %r\n" % got)

    async def ask(self, peer, word):
        """One exchange on a connection that is there."""
        try:
            reader, writer = peer
            writer.write(word)
            self.check(await asyncio.wait_for(reader.readexactly(len(word)), 120), word)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as e:
            self.check(repr(e), word)


async def connected(address, port, count):
    limit = asyncio.Semaphore(200)

    async def one():
        async with limit:
            return await asyncio.wait_for(asyncio.open_connection(address, int(port)), 120)

    return await asyncio.gather(*(one() for _ in range(count)))


async def hold(address, port, idle, active, rounds):
    crowd = Crowd()
    idlers = await connected(address, port, int(idle))
    busy = await connected(address, port, int(active))

    async def work(i, peer):
        for n in range(int(rounds)):
            await crowd.ask(peer, (b"%d %d " % (i, n)).ljust(1000, b"x"))

    await asyncio.gather(*(work(i, p) for i, p in enumerate(busy)))
    print(crowd.good, flush=True)
    crowd.good = 0
    await asyncio.gather(*(crowd.ask(p, b"word %d" % i) for i, p in enumerate(idlers)))
    print(crowd.good, "held", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    crowd.good = 0
    await asyncio.gather(*(crowd.ask(p, b"again %d" % i) for i, p in enumerate(idlers)))
    print(crowd.good, flush=True)


async def series(address, ports, count, workers):
    crowd = Crowd()
    ports = ports.split(",")

    async def lane(k):
        for i in range(int(count) // int(workers)):
            try:
                peer = await asyncio.wait_for(asyncio.open_connection(address, int(ports[k % len(ports)])), 60)
            except (OSError, asyncio.TimeoutError) as e:
                crowd.check(repr(e), b"")
                continue
            await crowd.ask(peer, b"%d %d" % (k, i))
            peer[1].close()

    await asyncio.gather(*(lane(k) for k in range(int(workers))))
    print(crowd.good, flush=True)


asyncio.run({"serve": serve, "hold": hold, "series": series}[sys.argv[1]](*sys.argv[2:]))
