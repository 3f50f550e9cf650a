"""bench.py [session|forward|engines|distance|ports|volumes|memory|size]... - the measurements; tests/bench/run prepares everything for them.

Everything that is compared is measured in the same run, in turns, so that a busy machine slows all sides alike. Nothing
here fails because something is slow.
"""
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import distance
import engines
import volumes

PROGRAM = "build/release/tpdocker"
BENCH = "build/release/tests/bench"
KUBECONFIG = os.environ.get("TPDOCKER_TEST_KUBECONFIG") or "build/cluster/kubeconfig"
KUBECTL = "build/cluster/bin/kubectl" if os.path.exists("build/cluster/bin/kubectl") else "kubectl"
CLIENT = "tests/bench/client.py"
IMAGE = "tpdocker-test-client"
SIDECAR = os.environ["TPDOCKER_IMAGE"]
STOCK = os.environ.get("BENCH_STOCK_IMAGE", SIDECAR)
VERSION = SIDECAR.rsplit(":", 1)[1]

ROUNDS = 10
STREAM = 250_000_000  # bytes
ECHOES = 300
TURNS = 5

result = {}
rows = []  # what, measured, aim, met


def row(what, measured, aim="", met=None):
    rows.append((what, measured, aim, "" if met is None else "yes" if met else "NO"))


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def output(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **kw).stdout


def median(values):
    return statistics.median(values)


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def tpdocker(*args, kubeconfig=None):
    return [PROGRAM, "run", "--kubeconfig", kubeconfig or KUBECONFIG, "--quiet", *args]


# ---------------------------------------------------------------- session

FIRST_INSTRUCTION = ["bash", "-c", "echo $EPOCHREALTIME"]  # on this machine's clock


def timed(argv):
    """Seconds to the container's first instruction, and from there to the end of the command; stderr."""
    begin = time.time()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    end = time.time()
    if done.returncode:
        sys.exit(f"bench: {' '.join(argv)}: exit code {done.returncode}\n{done.stderr}")
    first = float(done.stdout)
    return first - begin, end - first, done.stderr


def moments(timings):
    """--timings' table as {label: ms since the start}."""
    return {m[2]: int(m[1]) for m in re.finditer(r"^ *(\d+) +\d+  (.*)$", timings, re.M)}


def session():
    starts, ends, pods, d_starts, d_alls, steps = [], [], [], [], [], {}
    for i in range(ROUNDS):
        say(f"session {i + 1} of {ROUNDS}")
        start, end, _ = timed(["docker", "run", "--rm", IMAGE, *FIRST_INSTRUCTION])
        d_starts.append(start)
        d_alls.append(start + end)
        start, end, err = timed(tpdocker("--rm", "--timings", IMAGE, *FIRST_INSTRUCTION))
        starts.append(start)
        ends.append(end)
        at = moments(err)
        pods.append((at["agent pod Ready"] - at["agent pod created"]) / 1000)
        for label, ms in at.items():
            steps.setdefault(label, []).append(ms)
    together = median(pods) + median(d_alls)
    result["session"] = {
        "rounds": ROUNDS,
        "start_s": median(starts), "start_all_s": starts,
        "end_s": median(ends), "end_all_s": ends,
        "pod_created_to_ready_s": median(pods),
        "docker_run_s": median(d_alls), "docker_run_start_s": median(d_starts),
        "steps_ms": {label: median(v) for label, v in sorted(steps.items(), key=lambda kv: median(kv[1]))},
    }
    row("docker run --rm IMAGE true, all of it", f"{median(d_alls):.2f} s")
    row("pod, created to Ready", f"{median(pods):.2f} s")
    row("start: to the container's first instruction", f"{median(starts):.2f} s", f"<= {together + 0.7:.2f} s (both + 0.7)",
        median(starts) <= together + 0.7)
    row("end: from there to the prompt", f"{median(ends):.2f} s", "<= 1.00 s", median(ends) <= 1)


# ---------------------------------------------------------------- forward

def cpu_of(p):
    """Waits for the process; the CPU seconds that it used."""
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


class Pf:
    """Our port-forward to a port of the pod, as a process that ends with its stdin."""

    def __init__(self, pod, port, *how):
        self.p = subprocess.Popen([f"{BENCH}/pf", KUBECONFIG, "default", pod, str(port), *how],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "ready\n":
            sys.exit("bench: pf did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.stdin.close()
        self.cpu = cpu_of(self.p)
        self.p.stdout.close()


class Kubectl:
    def __init__(self, pod, port, kubeconfig=None):
        self.p = subprocess.Popen([KUBECTL, "--kubeconfig", kubeconfig or KUBECONFIG, "-n", "default", "port-forward", f"pod/{pod}", f":{port}"],
                                  stdout=subprocess.PIPE, text=True)
        m = re.match(r"Forwarding from 127.0.0.1:(\d+)", self.p.stdout.readline())
        if not m:
            sys.exit("bench: kubectl port-forward did not start")
        self.target = f"tcp:127.0.0.1:{m[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.terminate()
        self.cpu = cpu_of(self.p)
        self.p.stdout.close()


def measure(what, target, count, prefix=()):
    return json.loads(output(*prefix, "python3", CLIENT if not prefix else "/client.py", what, target, str(count), timeout=120))


def forward():
    pod = output(KUBECTL, "--kubeconfig", KUBECONFIG, "-n", "default", "get", "pods", "-l", "app=web",
                 "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
    here = os.getcwd()
    box = output("docker", "run", "-d", "--rm", "--network", "none", "-v", f"{here}/{CLIENT}:/client.py:ro", IMAGE, "sleep", "600").strip()
    paths = {"socket": {}, "exec": {}, "kubectl": {}}
    plan = (("stream", 9000, STREAM), ("echo", 7007, ECHOES))
    cpu = {name: [] for name in paths}

    def one(name, what, count, forwarder, target, prefix=()):
        with forwarder as f:
            paths[name].setdefault(what, []).append(measure(what, target or f.target, count, prefix))
        if what == "stream":
            cpu[name].append(f.cpu / count * 100e6)

    try:
        with tempfile.TemporaryDirectory() as tmp:
            for turn in range(TURNS):
                say(f"port-forward, turn {turn + 1} of {TURNS}")
                for what, port, count in plan:
                    sock, inner = f"{tmp}/{what}", f"/tmp/{what}{turn}"
                    pair = [lambda: one("socket", what, count, Pf(pod, port, "socket", sock), f"unix:{sock}"),
                            lambda: one("kubectl", what, count, Kubectl(pod, port), None)]
                    for go in pair if turn % 2 else reversed(pair):
                        go()
                    one("exec", what, count, Pf(pod, port, "exec", box, "socat", "-b262144", "-", f"UNIX-LISTEN:{inner}"),
                        f"unix:{inner}", ("docker", "exec", box))
    finally:
        output("docker", "rm", "-f", box)
    summary = {}
    for name, got in paths.items():
        echoes = [t for turn in got["echo"] for t in turn]
        summary[name] = {"MB_per_s": median(got["stream"]) / 1e6, "MB_per_s_all": [v / 1e6 for v in got["stream"]],
                         "echo_ms_p50": median(echoes), "echo_ms_p99": percentile(echoes, 99),
                         "cpu_s_per_100MB": median(cpu[name])}

    def ratio(what, a):
        """Of each turn's two neighbours, then the median: what else the machine does falls on both."""
        pairs = zip(paths[a][what], paths["kubectl"][what])
        return median([x / y if what == "stream" else median(x) / median(y) for x, y in pairs])

    faster, slower = ratio("stream", "socket"), ratio("echo", "socket")
    result["forward"] = {**summary, "throughput_ratio": faster, "round_trip_ratio": slower,
                         "exec_throughput_ratio": ratio("stream", "exec"), "exec_round_trip_ratio": ratio("echo", "exec"),
                         "load_average": os.getloadavg()[0]}
    for name, label in (("kubectl", "kubectl port-forward"), ("socket", "native, socket link"), ("exec", "native, exec link")):
        g = summary[name]
        row(label, f"{g['MB_per_s']:.0f} MB/s, {g['echo_ms_p50']:.2f} ms (p99 {g['echo_ms_p99']:.2f}), {g['cpu_s_per_100MB']:.2f} s CPU for 100 MB")
    row("throughput, socket link : kubectl", f"{faster:.2f}", ">= 1.30", faster >= 1.3)
    row("round trip, socket link : kubectl", f"{slower:.2f}", "<= 1.00", slower <= 1.0)


# ------------------------------------------------------------------ ports

def kubectl(*args, **kw):
    return output(KUBECTL, "--kubeconfig", KUBECONFIG, "-n", "default", *args, **kw)


class Exposed:
    """A session whose container serves 9000 and 7007, and has 5900 and 5907 of this machine's."""

    def __init__(self, link, app, host_ports):
        env = dict(os.environ, **({"XDG_RUNTIME_DIR": "/proc/nothing"} if link == "exec" else {}))
        self.box = f"tpdocker-bench-{link}"
        self.p = subprocess.Popen(
            tpdocker("--name", self.box, "--new-deployment", self.box, "--expose", "9000", "--expose", "7007",
                     "--container-to-host", f"5900:{host_ports[0]}", "--container-to-host", f"5907:{host_ports[1]}",
                     "-v", f"{app}:/app:ro", "-v", f"{os.getcwd()}/{CLIENT}:/client.py:ro", IMAGE, "/app"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=env)
        if self.p.stdout.readline() != "serving\n":
            sys.exit("bench: the session with ports did not come up")

    def end(self):
        self.p.terminate()
        self.p.wait(60)
        self.p.stdout.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def from_cluster(what, target, count):
    with open(CLIENT) as program:
        return json.loads(kubectl("exec", "-i", "bench-caller", "--", "python3", "-", what, target, str(count), stdin=program, timeout=120))


def ports():
    """Into the container, beside kubectl's way, which leads out of the pod; and from the container to this machine."""
    say("ports: two sessions come up")
    got, sessions, server = {}, [], None
    kubectl("run", "bench-caller", "--image", IMAGE, "--image-pull-policy", "IfNotPresent", "--restart", "Never", "--", "sleep", "3600")
    try:
        with tempfile.TemporaryDirectory() as tmp:
            made = output("docker", "create", "tpdocker-test-app").strip()
            output("docker", "cp", f"{made}:/usr/local/bin/tpdocker-test-app", f"{tmp}/app")
            output("docker", "rm", made)
            host = [free_port(), free_port()]
            server = subprocess.Popen([f"{tmp}/app"], stdout=subprocess.DEVNULL, env=dict(
                os.environ, HTTP_PORT=str(free_port()), STREAM_PORT=str(host[0]), ECHO_PORT=str(host[1])))
            for link in ("socket", "exec"):
                sessions.append(Exposed(link, f"{tmp}/app", host))
            kubectl("wait", "--for", "condition=Ready", "pod/bench-caller", "--timeout", "60s")
            pod = kubectl("get", "pods", "-l", "app=web", "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
            for turn in range(TURNS):
                say(f"ports, turn {turn + 1} of {TURNS}")
                for what, port, here, count in (("stream", 9000, 5900, STREAM), ("echo", 7007, 5907, ECHOES)):
                    def note(name, value):
                        got.setdefault(name, {}).setdefault(what, []).append(value)

                    with Kubectl(pod, port) as f:
                        note("kubectl port-forward", measure(what, f.target, count))
                    for s in sessions:
                        link = s.box.rsplit("-", 1)[1]
                        note(f"exposed port, {link} link", from_cluster(what, f"tcp:{s.box}:{port}", count))
                        note(f"--container-to-host, {link} link",
                             measure(what, f"tcp:127.0.0.1:{here}", count, ("docker", "exec", s.box)))
                    note("pod to pod", from_cluster(what, f"tcp:api:{port}", count))
    finally:
        for s in sessions:
            s.end()
        if server:
            server.terminate()
        kubectl("delete", "pod", "bench-caller", "--wait=false")
    result["ports"] = {"load_average": os.getloadavg()[0]}
    for name, g in got.items():
        echoes = [t for turn in g["echo"] for t in turn]
        result["ports"][name] = {"MB_per_s": median(g["stream"]) / 1e6, "MB_per_s_all": [v / 1e6 for v in g["stream"]],
                                 "echo_ms_p50": median(echoes), "echo_ms_p99": percentile(echoes, 99)}
        row(name, f"{median(g['stream']) / 1e6:.0f} MB/s, {median(echoes):.2f} ms (p99 {percentile(echoes, 99):.2f})")


# ----------------------------------------------------------------- memory

def smaps(pid):
    """kB by kind; VmHWM is the most that was ever resident."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        got = {m[1]: int(m[2]) for m in re.finditer(r"^(Rss|Pss|Private_Dirty):\s+(\d+) kB", f.read(), re.M)}
    with open(f"/proc/{pid}/status") as f:
        got["Peak"] = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])
    return got


def guardian_of(pid):
    """The guardian is the helper's child until the helper ends."""
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/cmdline") as c:
                if c.read().split("\0")[1:2] == ["guardian"]:
                    return int(child)
    return None


def memory():
    say("memory of a session")
    work = "curl -m 60 -sSo /dev/null http://web/bytes/30000000 && echo moved && exec sleep 60"
    p = subprocess.Popen(tpdocker("--rm", IMAGE, "bash", "-c", work), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if p.stdout.readline() != "moved\n":
        p.wait(60)
        sys.exit("bench: the session did not come up, or did not move 30 MB within a minute")
    time.sleep(0.5)
    helper = smaps(p.pid)
    gpid = guardian_of(p.pid)
    guardian = smaps(gpid) if gpid else {}
    result["memory_kB"] = {"helper": helper, "guardian": guardian}
    p.terminate()
    p.wait(60)
    p.stdout.close()
    for who, m in (("helper", helper), ("guardian", guardian)):
        if m:
            row(f"{who} in a session, after 30 MB", f"{m['Rss'] / 1024:.1f} MB resident ({m['Pss'] / 1024:.1f} PSS, {m['Private_Dirty'] / 1024:.1f} its own, peak {m['Peak'] / 1024:.1f})",
                "<= 10.0 MB" if who == "helper" else "", m["Rss"] <= 10240 if who == "helper" else None)


# ------------------------------------------------------------------- size

def packages(image):
    out = output("docker", "run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", image, "-W", "-f", "${Package} ${Installed-Size}\n")
    return {name: int(kb) for name, kb in (line.split() for line in out.splitlines())}


def image_size(image):
    return int(output("docker", "image", "inspect", "--format", "{{.Size}}", image))


def files_size(image, *paths):
    script = 'for f; do [ ! -e "$f" ] || stat -c %s "$f"; done'
    out = output("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", script, "sh", *paths)
    return sum(int(line) for line in out.split())


OURS = ["/usr/bin/tpdocker", "/usr/lib/tpdocker/tpdocker-agent", "/usr/lib/tpdocker/tpdocker-sidecar",
        "/usr/lib/tpdocker/libtpdocker-sshd.so", "/usr/lib/tpdocker/capture.py"]


def size():
    say("sizes")
    stripped = os.path.getsize(f"{BENCH}/tpdocker.stripped")
    result["size"] = {"program_stripped": stripped, "images": {}}
    row("the program, stripped", f"{stripped / 1000:.0f} KB", "<= 500 KB", stripped <= 500_000)
    base_size, base = image_size("debian:bookworm-slim"), packages("debian:bookworm-slim")
    for image in (SIDECAR, f"tpdocker/tpdocker:{VERSION}"):
        whole, have = image_size(image), packages(image)
        extra = sorted(((kb, name) for name, kb in have.items() if name not in base), reverse=True)
        ours, cli = files_size(image, *OURS), files_size(image, "/usr/bin/docker")
        rest = whole - base_size - 1024 * sum(kb for kb, _ in extra) - ours - cli
        result["size"]["images"][image] = {"bytes": whole, "base_bytes": base_size, "packages_kB": {n: kb for kb, n in extra},
                                           "ours_bytes": ours, "docker_cli_bytes": cli, "rest_bytes": rest}
        row(image, f"{whole / 1e6:.0f} MB")
        row("    debian:bookworm-slim", f"{base_size / 1e6:.0f} MB")
        for kb, name in extra[:8]:
            row(f"    {name}", f"{kb * 1.024 / 1000:.1f} MB")
        if extra[8:]:
            row(f"    {len(extra[8:])} more packages", f"{sum(kb for kb, _ in extra[8:]) * 1.024 / 1000:.1f} MB")
        if cli:
            row("    the docker CLI", f"{cli / 1e6:.1f} MB")
        row("    programs of ours", f"{ours / 1e6:.2f} MB")
        row("    what else (made at installation; documentation is left out)", f"{rest / 1e6:.1f} MB")


def main():
    parts = {"session": session, "forward": forward, "engines": lambda: engines.engines(sys.modules["__main__"]), "distance": lambda: distance.distance(sys.modules["__main__"]), "ports": ports, "volumes": lambda: volumes.volumes(sys.modules["__main__"]),
             "memory": memory, "size": size}
    chosen = sys.argv[1:] or list(parts)
    for name in chosen:
        if name not in parts:
            sys.exit(f"bench: there is no part \"{name}\"; there are: {', '.join(parts)}")
    begin = time.monotonic()
    for name in chosen:
        parts[name]()
    result["took_s"] = time.monotonic() - begin
    result["aims_missed"] = [r[0] for r in rows if r[3] == "NO"]
    widths = [max(len(r[i]) for r in rows + [("", "measured", "aim", "met")]) for i in range(4)]
    for r in [("", "measured", "aim", "met"), *rows]:
        print("  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip())
    with open("build/bench.json", "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(f"\n{result['took_s']:.0f} s; all of it is in build/bench.json")


main()
