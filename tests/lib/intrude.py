#!/usr/bin/env python3
"""intrude.py PID FD BYTES - writes BYTES of garbage into a descriptor that another process has; takes root."""
import ctypes, os, sys

SYS_PIDFD_GETFD = 438
pid, fd, n = (int(word) for word in sys.argv[1:4])
theirs = ctypes.CDLL(None, use_errno=True).syscall(SYS_PIDFD_GETFD, os.pidfd_open(pid), fd, 0)
if theirs < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
os.write(theirs, b"\xff" * n)
