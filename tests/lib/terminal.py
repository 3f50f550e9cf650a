#!/usr/bin/env python3
"""terminal.py [--size ROWSxCOLUMNS] [--seconds N] STEP... -- COMMAND...

Runs a command on a terminal of its own and acts as the person in front of it.
Steps, one after the other:
  expect:REGEXP   until it is on the screen (behind what was expected before)
  send:TEXT       type it; \\r, \\n, \\x03 and so on as in Python
  resize:RxC      another size, with its signal
  hangup:         close the terminal
  run:COMMAND     a command of the shell, elsewhere
Then waits for the end. Prints all that was on the screen; the exit code is the
command's (128+n for a signal), 99 when a step or the end did not come in time."""
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

args, size, seconds = sys.argv[1:], (24, 80), 60
steps = []
while args and args[0] != "--":
    arg = args.pop(0)
    if arg == "--size":
        size = tuple(map(int, args.pop(0).split("x")))
    elif arg == "--seconds":
        seconds = int(args.pop(0))
    else:
        steps.append(arg.split(":", 1))
command = args[1:]
deadline = time.monotonic() + seconds


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


pid, master = pty.fork()
if pid == 0:
    resize(0, *size)
    os.closerange(3, 256)
    os.execvp(command[0], command)

screen, seen, status, resized = b"", 0, None, None


def pump(timeout=0.05):
    """Takes what came; False at the end."""
    global screen, master
    if master is None:
        time.sleep(timeout)
        return False
    if select.select([master], [], [], timeout)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:
            data = b""
        if not data:
            return False
        screen += data
    return True


def finish(code, text=None):
    sys.stdout.write(screen.decode(errors="replace").replace("\r\n", "\n"))
    if text:
        sys.stdout.write("\n*** " + text + "\n")
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    sys.stdout.flush()
    os._exit(code)


for kind, value in steps:
    if kind == "expect":
        while True:
            hit = re.search(value.encode(), screen[seen:])
            if hit:
                seen, resized = seen + hit.end(), None
                break
            if not pump() or time.monotonic() > deadline:
                finish(99, "never on the screen: " + value)
            if resized and time.monotonic() > resized + 1:
                # The docker CLI listens for the signal a moment after it has
                # looked at the size for the first time; on a busy machine the
                # first one can fall in between.
                resized = time.monotonic()
                os.killpg(os.tcgetpgrp(master), signal.SIGWINCH)
    elif kind == "send":
        os.write(master, value.encode().decode("unicode_escape").encode())
    elif kind == "resize":
        resize(master, *map(int, value.split("x")))
        resized = time.monotonic()
    elif kind == "hangup":
        os.close(master)
        master = None
    elif kind == "run":
        subprocess.run(value, shell=True, check=True, stdin=subprocess.DEVNULL)
    else:
        finish(99, "no such step: " + kind)

while True:
    more = pump()
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        while master is not None and select.select([master], [], [], 0.2)[0] and pump():
            pass
        code = os.waitstatus_to_exitcode(status)
        finish(code if code >= 0 else 128 - code)
    if time.monotonic() > deadline:
        finish(99, "it does not end")
    if not more:
        time.sleep(0.05)
