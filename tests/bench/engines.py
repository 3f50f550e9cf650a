"""The part "engines" of bench.py: what carries the container's connections. Both engines and raw `kubectl port-forward`, all to one pod,
in turns; and the CPU time of each process on the way."""
import itertools
import json
import os
import statistics
import subprocess

STREAM = 200_000_000  # bytes
SLOW_STREAM = {"sshuttle": 100_000_000, "stock": 20_000_000}  # they burn more of the machine
ECHOES = 300
CONNECTS = 60
TURNS = 5
sessions_so_far = itertools.count(1)  # a pod of the same name may still be on its way out
ENGINES = ("native", "sshuttle", "stock")  # the last is sshuttle with its defaults: stock.py


class Session:
    def __init__(self, b, engine, kubeconfig=None):
        self.b, self.engine, self.box = b, engine, f"tpd-bench-{engine}-{os.getpid()}-{next(sessions_so_far)}"
        how = ("--engine", "sshuttle", "--image", b.STOCK) if engine == "stock" else ("--engine", engine)
        self.p = subprocess.Popen(
            b.tpdocker(*how, "--name", self.box, "--new-deployment", self.box, "-v", f"{os.getcwd()}/{b.CLIENT}:/client.py:ro",
                       b.IMAGE, "sh", "-c", "echo up; exec sleep 3600", kubeconfig=kubeconfig), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "up\n":
            raise SystemExit("bench: the session did not come up")
        self.sidecar = b.output("docker", "inspect", "-f", "{{.HostConfig.NetworkMode}}", self.box).strip().split(":")[1]
        pod = b.kubectl("get", "pod", self.box, "-o", "jsonpath={.metadata.uid} {.status.containerStatuses[0].containerID}")
        self.pod_marks = [pod.split()[0], pod.rsplit("/", 1)[-1]]

    def measure(self, what, target, count):
        return self.b.measure(what, target, count, ("docker", "exec", self.box))

    def in_pod(self, cgroup):
        return any(mark in cgroup.replace("_", "-") for mark in self.pod_marks)

    def processes(self):
        """{pid: what it is} on the way between container and pod."""
        got = {self.p.pid: "helper"}
        for line in self.b.output("docker", "top", self.sidecar, "-o", "pid,args").splitlines()[1:]:
            pid, args = line.split(None, 1)
            got[int(pid)] = "sidecar's " + ("ssh" if args.startswith("ssh ") else "engine" if "redirect" in args or "capture.py" in args else "supervisor")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cgroup") as f, open(f"/proc/{pid}/cmdline") as c:
                    mine, words = self.in_pod(f.read()), c.read().split("\0")
            except OSError:
                continue
            if mine:
                got[int(pid)] = "agent's " + ("sshd" if "sshd" in words[0] else "engine" if words[1:2] in (["engine"], ["tunnel"]) else "others")
        return got

    def end(self):
        subprocess.run(["docker", "kill", self.box], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        self.p.wait(60)
        self.p.stdout.close()


def cpu_seconds(pids):
    got = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                words = f.read().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        got[pid] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return got


def cpu_per_gb(session, address):
    """Each kind of process's seconds for one GB down."""
    who = session.processes()
    before = cpu_seconds(who)
    count = SLOW_STREAM.get(session.engine, STREAM)
    session.measure("stream", f"tcp:{address}:9000", count)
    used = {}
    for pid, seconds in cpu_seconds(who).items():
        used[who[pid]] = used.get(who[pid], 0) + (seconds - before.get(pid, 0)) * 1e9 / count
    return {name: round(s, 1) for name, s in sorted(used.items()) if s >= 0.05}


def p(values, percent):
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def engines(b):
    pod = json.loads(b.kubectl("get", "pods", "-l", "app=api", "--field-selector", "status.phase=Running", "-o", "json"))["items"][0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    got, sessions, cpu = {}, {}, {}
    try:
        for engine in ENGINES:
            b.say(f"engines: a session with {engine}")
            sessions[engine] = Session(b, engine)
        for turn in range(TURNS):
            b.say(f"engines, turn {turn + 1} of {TURNS}")
            for what, port, count in (("stream", 9000, STREAM), ("streams", 9000, STREAM), ("sink", 9000, STREAM), ("echo", 7007, ECHOES), ("first", 7007, CONNECTS)):
                def note(who, value):
                    got.setdefault(who, {}).setdefault(what, []).append(value)

                with b.Kubectl(name, port) as f:
                    note("kubectl", b.measure(what, f.target, count))
                for engine, session in sessions.items():
                    n = SLOW_STREAM.get(engine, count) if port == 9000 else count
                    note(engine, session.measure(what, f"tcp:{address}:{port}", n))
        for engine, session in sessions.items():
            cpu[engine] = cpu_per_gb(session, address)
    finally:
        for session in sessions.values():
            session.end()
    report(b, got, cpu)


def report(b, got, cpu):
    result = b.result["engines"] = {"load_average": os.getloadavg()[0], "cpu_s_per_GB": cpu}
    flat = {}
    for who, g in got.items():
        echoes, firsts = sum(g["echo"], []), sum(g["first"], [])
        flat[who] = result[who] = {
            "MB_per_s": statistics.median(g["stream"]) / 1e6, "MB_per_s_8": statistics.median(g["streams"]) / 1e6,
            "MB_per_s_up": statistics.median(g["sink"]) / 1e6,
            "echo_ms_p50": p(echoes, 50), "echo_ms_p99": p(echoes, 99), "first_ms_p50": p(firsts, 50), "first_ms_p99": p(firsts, 99)}
    for who, label in (("kubectl", "kubectl port-forward"), ("native", "--engine native"), ("sshuttle", "--engine sshuttle"),
                       ("stock", "sshuttle with its defaults")):
        r = flat[who]
        b.row(label, f"{r['MB_per_s']:.1f} MB/s, 8 streams {r['MB_per_s_8']:.1f}, up {r['MB_per_s_up']:.1f}; {r['echo_ms_p50']:.2f} ms (p99 {r['echo_ms_p99']:.2f}); "
              f"connect + first byte {r['first_ms_p50']:.2f} ms (p99 {r['first_ms_p99']:.2f})")
    for engine, used in cpu.items():
        b.row(f"    CPU s per GB, {engine}", ", ".join(f"{name} {s:.1f}" for name, s in used.items()))
    raw, native, slow, stock = flat["kubectl"], flat["native"], flat["sshuttle"], flat["stock"]
    for what, value, aim, met in (
            ("throughput, native : kubectl", native["MB_per_s"] / raw["MB_per_s"], ">= 1.00", lambda v: v >= 1),
            ("throughput, native : sshuttle", native["MB_per_s"] / slow["MB_per_s"], ">= 20", lambda v: v >= 20),
            ("throughput, native : sshuttle with its defaults", native["MB_per_s"] / stock["MB_per_s"], ">= 20", lambda v: v >= 20),
            ("native, 8 streams : one", native["MB_per_s_8"] / native["MB_per_s"], ">= 1.00", lambda v: v >= 1),
            ("round trip, native : kubectl", native["echo_ms_p50"] / raw["echo_ms_p50"], "<= 1.20", lambda v: v <= 1.2)):
        b.row(what, f"{value:.2f}", aim, met(value))
