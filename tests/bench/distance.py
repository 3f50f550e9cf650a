"""The part "distance" of bench.py: an API server that is further away (delay.c), 0, 20 and 80 ms there and back. Raw `kubectl
port-forward`, `ssh -L` over our own link, and both engines, all to one pod, in turns; beside them no tunnel at all, from a pod."""
import json
import os
import re
import statistics
import subprocess
import tempfile

import engines

DELAYS = [int(ms) for ms in os.environ.get("BENCH_DELAYS", "0 20 80").split()]  # ms
TURNS = int(os.environ.get("BENCH_TURNS", "3"))
STREAM, SLOW_STREAM = 100_000_000, {"sshuttle": 30_000_000, "stock": 3_000_000}  # bytes
CONNECTS, ECHOES, ROUNDS = 20, 50, 20
FORWARDED = {9000: 19000, 7007: 17007}  # of ssh -L, in the sidecar
MASTER = "/run/tpdocker/master"


class Delay:
    """The kubeconfig of a way to the API server that is MS longer."""

    def __init__(self, b, ms):
        config = json.loads(b.output(b.KUBECTL, "--kubeconfig", b.KUBECONFIG, "config", "view", "--raw", "--flatten", "-o", "json"))
        cluster = config["clusters"][0]["cluster"]
        host, port = re.match(r"https://([^:/]+):(\d+)", cluster["server"]).groups()
        self.p = subprocess.Popen([f"{b.BENCH}/delay", str(ms), host, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cluster["server"], cluster["tls-server-name"] = f"https://127.0.0.1:{self.p.stdout.readline().strip()}", host
        self.file = tempfile.NamedTemporaryFile("w", suffix=".json")  # 0600
        json.dump(config, self.file)
        self.file.flush()
        self.kubeconfig = self.file.name

    def end(self):
        self.p.stdin.close()
        self.p.wait(10)
        self.file.close()


def rows_of(got):
    flat = {}
    for who, g in got.items():
        echoes, firsts, crowd = (sum(g.get(what, [[]]), []) for what in ("echo", "first", "crowd"))
        flat[who] = {"MB_per_s": statistics.median(g["stream"]) / 1e6, "MB_per_s_8": statistics.median(g["streams"]) / 1e6,
                     "MB_per_s_up": statistics.median(g["sink"]) / 1e6, "echo_ms_p50": engines.p(echoes, 50), "first_ms_p50": engines.p(firsts, 50),
                     "crowd_ms_p50": engines.p(crowd, 50), "crowd_ms_p99": engines.p(crowd, 99)}
    return flat


def one_distance(b, ms, pod, address):
    delay, sessions, got = Delay(b, ms), {}, {}
    try:
        for engine in engines.ENGINES:
            b.say(f"distance {ms} ms: a session with {engine}")
            sessions[engine] = engines.Session(b, engine, delay.kubeconfig)
        native = sessions["native"]
        for port, here in FORWARDED.items():
            b.output("docker", "exec", native.sidecar, "ssh", "-S", MASTER, "-O", "forward", "-L", f"127.0.0.1:{here}:{address}:{port}", "agent")
        for turn in range(TURNS):
            b.say(f"distance {ms} ms, turn {turn + 1} of {TURNS}")
            for what, port, count in (("stream", 9000, STREAM), ("streams", 9000, STREAM), ("sink", 9000, STREAM), ("echo", 7007, ECHOES),
                                      ("first", 7007, CONNECTS), ("crowd", 7007, ROUNDS)):
                def note(who, value):
                    got.setdefault(who, {}).setdefault(what, []).append(value)

                with b.Kubectl(pod, port, delay.kubeconfig) as f:
                    note("kubectl", b.measure(what, f.target, count))
                note("ssh -L", native.measure(what, f"tcp:127.0.0.1:{FORWARDED[port]}", count))
                for engine, session in sessions.items():
                    n = SLOW_STREAM.get(engine, count) if port == 9000 else count
                    note(engine, session.measure(what, f"tcp:{address}:{port}", n))
    finally:
        for session in sessions.values():
            session.end()
        delay.end()
    return rows_of(got)


def no_tunnel(b, address):
    """From another pod, which is this machine's client in the cluster."""
    name = f"tpd-bench-near-{os.getpid()}"
    b.kubectl("run", name, "--image", b.IMAGE, "--image-pull-policy", "IfNotPresent", "--restart", "Never", "--", "sleep", "600")
    try:
        b.kubectl("wait", f"pod/{name}", "--for", "condition=Ready", "--timeout", "60s")
        with open(b.CLIENT) as f:
            program = f.read()
        got = {}
        for what, port, count in (("stream", 9000, STREAM), ("streams", 9000, STREAM), ("sink", 9000, STREAM), ("echo", 7007, ECHOES), ("first", 7007, CONNECTS),
                                  ("crowd", 7007, ROUNDS)):
            out = b.output(b.KUBECTL, "--kubeconfig", b.KUBECONFIG, "-n", "default", "exec", "-i", name, "--", "python3", "-", what,
                           f"tcp:{address}:{port}", str(count), input=program, timeout=120)
            got[what] = [json.loads(out)]
        return rows_of({"none": got})["none"]
    finally:
        b.kubectl("delete", "pod", name, "--wait=false")


def distance(b):
    pod = json.loads(b.kubectl("get", "pods", "-l", "app=api", "--field-selector", "status.phase=Running", "-o", "json"))["items"][0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    result = b.result["distance"] = {"load_average": os.getloadavg()[0], "none": no_tunnel(b, address)}
    tell(b, "no tunnel, pod to pod", result["none"])
    for ms in DELAYS:
        flat = result[f"{ms}_ms"] = one_distance(b, ms, name, address)
        for who in ("kubectl", "ssh -L", *engines.ENGINES):
            tell(b, f"+{ms} ms: {who}", flat[who])
        aims(b, ms, flat)


def tell(b, label, r):
    b.row(label, f"{r['MB_per_s']:.1f} MB/s, 8 streams {r['MB_per_s_8']:.1f}, up {r['MB_per_s_up']:.1f}; {r['echo_ms_p50']:.2f} ms; "
          f"connect + first byte {r['first_ms_p50']:.1f} ms; 100 at once {r['crowd_ms_p50']:.1f} ms (p99 {r['crowd_ms_p99']:.1f})")


def aims(b, ms, flat):
    raw, native, slow, stock = flat["kubectl"], flat["native"], flat["sshuttle"], flat["stock"]
    reach = 1.1 * raw["echo_ms_p50"] + 2
    for what, value, aim, met in (
            ("throughput, native : kubectl", native["MB_per_s"] / raw["MB_per_s"], ">= 1.00", lambda v: v >= 1),
            ("throughput, native : sshuttle", native["MB_per_s"] / slow["MB_per_s"], ">= 20", lambda v: v >= 20),
            ("throughput, native : sshuttle with its defaults", native["MB_per_s"] / stock["MB_per_s"], ">= 20", lambda v: v >= 20),
            ("native, 8 streams : one", native["MB_per_s_8"] / native["MB_per_s"], ">= 1.00", lambda v: v >= 1),
            ("round trip, native : kubectl", native["echo_ms_p50"] / raw["echo_ms_p50"], "<= 1.20", lambda v: v <= 1.2),
            ("native, connect + first byte", native["first_ms_p50"], f"<= {reach:.1f} ms (1.1 round trips + 2)", lambda v: v <= reach),
            ("native, 100 at once, p99 : p50", native["crowd_ms_p99"] / native["crowd_ms_p50"], "<= 3.00", lambda v: v <= 3)):
        b.row(f"+{ms} ms: {what}", f"{value:.2f}", aim, met(value))
