# SPDX-License-Identifier: Apache-2.0
"""sshuttle's client, with what keeps it slow or makes it grow taken away."""
import os
import socket
import struct
import sys
import weakref

# A program beside this file is no module, and nothing else is on the path.
sys.path[:] = [p for p in sys.path if not p.startswith("/usr/lib/tpdocker")]
sys.path.append("/usr/lib/python3/dist-packages")

import sshuttle.client as client  # noqa: E402
import sshuttle.firewall as firewall  # noqa: E402
import sshuttle.ssnet as ssnet  # noqa: E402
import sshuttle.methods.nft as nft  # noqa: E402
from sshuttle.cmdline import main  # noqa: E402
from sshuttle.methods import get_method  # noqa: E402

# Frames may have 65535 bytes; the client cuts its data into 2048 to keep
# frames of others from waiting, at a third of the speed.
CHUNK = 32768

# Frames that wait for the link. sshuttle's own measure is the ping of its
# latency control; without that it would take in whatever a program sends.
QUEUE = 32

RESET = struct.pack("ii", 1, 0)


def uwrite(self, buf):
    if self.too_full():
        return 0
    buf = buf[:CHUNK]
    self.mux.send(self.channel, ssnet.CMD_TCP_DATA, buf)
    return len(buf)


def too_full(self):
    return self.mux.too_full or len(self.mux.outbuf) > QUEUE


def got_packet(self, cmd, data):
    """A target that refused is passed on as a reset, not as an empty answer."""
    if cmd == ssnet.CMD_TCP_DATA:
        self.local = None
    elif cmd == ssnet.CMD_TCP_STOP_SENDING and self.local:
        proxy = self.local()
        if proxy:
            proxy.wrap1.rsock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            proxy.wrap1.shut_read = proxy.wrap1.shut_write = True  # no FIN first
            proxy.wrap1.buf = []
            proxy.wrap1.rsock.close()
            proxy.ok = False
    self.stock_got_packet(cmd, data)


def proxy_init(self, wrap1, wrap2):
    self.stock_init(wrap1, wrap2)
    wrap2.local = weakref.ref(self)


class Child:
    """The little of subprocess.Popen that the client asks for."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def _wait(self, flags):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self):
        return self._wait(os.WNOHANG)

    def wait(self):
        return self._wait(0)


def firewall_client(self, method_name, _):
    """Forks its firewall process, where sshuttle starts a second Python."""
    self.auto_nets = []
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ours.close()
            os.dup2(theirs.fileno(), 1)
            theirs.close()
            firewall.main(method_name, False)
            status = 0
        except BaseException as e:
            sys.stderr.write("fw: %s\n" % e)
        finally:
            sys.stderr.flush()
            os._exit(status)
    theirs.close()
    self.p = Child(pid)
    self.argv = ["firewall"]
    self.pfile = ours.makefile("rwb")
    line = self.pfile.readline()
    if not line.startswith(b"READY"):
        raise client.Fatal("the firewall process does not start")
    self.method = get_method(line[6:-1].decode("ASCII"))
    self.method.set_firewall(self)


if os.environ.get("TPDOCKER_RULES") == "kept":
    # The supervisor has rules of its own, which go when it does.
    nft.Method.setup_firewall = lambda self, *args, **kw: None
    nft.Method.restore_firewall = lambda self, *args, **kw: None

ssnet.MuxWrapper.local = None
ssnet.MuxWrapper.stock_got_packet = ssnet.MuxWrapper.got_packet
ssnet.MuxWrapper.got_packet = got_packet
client.Proxy.stock_init = client.Proxy.__init__
client.Proxy.__init__ = proxy_init
ssnet.MuxWrapper.uwrite = uwrite
ssnet.MuxWrapper.too_full = too_full
client.FirewallClient.__init__ = firewall_client

sys.exit(main())
