#!/usr/bin/env python3
"""environ.py A B [NAME...] - compares two environments (each a file of
NAME=VALUE strings with zero bytes behind them), byte for byte, without those
variables that are named (X* for all that begin so). Prints what differs."""
import fnmatch, sys


def read(path):
    entries = open(path, "rb").read().split(b"\0")
    assert entries.pop() == b"", path + " does not end with a zero byte"
    return {e.split(b"=", 1)[0].decode(): e.split(b"=", 1)[1] for e in entries}


a, b, but = read(sys.argv[1]), read(sys.argv[2]), sys.argv[3:]
assert len(a) > 5, "that is no environment"
bad = 0
for name in sorted(set(a) | set(b)):
    if a.get(name) != b.get(name) and not any(fnmatch.fnmatchcase(name, p) for p in but):
        print(f"{name}: {a.get(name)!r} and {b.get(name)!r}")
        bad = 1
sys.exit(bad)
