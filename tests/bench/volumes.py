"""The part "volumes" of bench.py: the pod's files through our mount, through plain sshfs over `kubectl port-forward`, and with `kubectl cp`,
all from one standing agent, in turns."""
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

BIG = 100_000_000  # bytes
SMALL = 2000  # files, in 20 folders
TURNS = 3
NAME = "bench-volumes"
PREPARE = f"""
head -c {BIG} /dev/urandom >/data/big
for d in $(seq 20); do mkdir -p /data/small/$d; for f in $(seq {SMALL // 20}); do echo $d $f >/data/small/$d/$f; done; done
"""


def agent(image):
    container = {"name": "agent", "image": image, "imagePullPolicy": "IfNotPresent",
                 "command": ["/usr/lib/tpdocker/tpdocker-agent", "run"],
                 "volumeMounts": [{"name": "run", "mountPath": "/run/tpdocker"}, {"name": "data", "mountPath": "/data"}]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": NAME}},
                     "template": {"metadata": {"labels": {"app": NAME}},
                                  "spec": {"terminationGracePeriodSeconds": 1, "containers": [container],
                                           "volumes": [{"name": "run", "emptyDir": {"medium": "Memory"}}, {"name": "data", "emptyDir": {}}]}}}}


@contextlib.contextmanager
def standing_agent(b):
    b.kubectl("apply", "-f", "-", input=json.dumps(agent(b.SIDECAR)))
    try:
        b.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=120s")
        b.kubectl("exec", f"deployment/{NAME}", "--", "sh", "-c", PREPARE)
        yield
    finally:
        b.kubectl("delete", "deployment", NAME, "--wait=false")


@contextlib.contextmanager
def our_mount(b):
    """A container with the agent's volumes; yields the argv that runs a shell script beside its /data."""
    box = f"tpd-bench-{os.getpid()}"
    p = subprocess.Popen(b.tpdocker("--deployment", NAME, "--name", box, b.IMAGE, "sh", "-c", "echo up; exec sleep 900"),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        if p.stdout.readline() != "up\n":
            raise SystemExit("bench: the session did not come up")
        yield ["docker", "exec", box, "sh", "-c"], "/data"
    finally:
        subprocess.run(["docker", "kill", box], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        p.wait(60)
        p.stdout.close()


@contextlib.contextmanager
def plain_sshfs(b):
    """sshfs as one would run it by hand: its own ssh, over `kubectl port-forward` to the same sshd."""
    with tempfile.TemporaryDirectory() as tmp:
        key, at = f"{tmp}/key", f"{tmp}/mnt"
        os.mkdir(at)
        b.output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", key)
        with open(key + ".pub") as f:
            ready = b.kubectl("exec", f"deployment/{NAME}", "--", "/usr/lib/tpdocker/tpdocker-agent", "authorize", f.read().strip())
        pod = b.kubectl("get", "pods", "-l", f"app={NAME}", "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
        with b.Kubectl(pod, re.search(r"port=(\d+)", ready)[1]) as forward:
            port = forward.target.rsplit(":", 1)[1]
            b.output("sshfs", "-p", port, "-o", f"IdentityFile={key},StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,LogLevel=ERROR",
                     "tpdocker@127.0.0.1:/", at)
            try:
                yield ["sh", "-c"], f"{at}/data"
            finally:
                b.output("fusermount3" if shutil.which("fusermount3") else "fusermount", "-u", at)


def seconds(argv, **kw):
    begin = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, **kw)
    return time.monotonic() - begin


def through_mount(shell, data):
    """What starting the shell takes is taken off: docker exec is no part of the mount."""
    start = seconds([*shell, "true"])
    runs = {"read": f"dd if={data}/big of=/dev/null bs=1M", "write": f"dd if=/dev/zero of={data}/new bs=1M count={BIG // 1_000_000} conv=fsync",
            "find": f"find {data}/small -type f -size +0 | wc -l", "small": f"cat {data}/small/*/*"}
    return {what: max(seconds([*shell, script]) - start, 0.001) for what, script in runs.items()}


def with_kubectl_cp(b, pod):
    with tempfile.TemporaryDirectory() as tmp:
        cp = [b.KUBECTL, "--kubeconfig", b.KUBECONFIG, "-n", "default", "cp"]
        return {"read": seconds([*cp, f"{pod}:/data/big", f"{tmp}/big"]), "write": seconds([*cp, f"{tmp}/big", f"{pod}:/data/new"]),
                "small": seconds([*cp, f"{pod}:/data/small", f"{tmp}/small"])}


def volumes(b):
    ways = {"our mount": {}, "plain sshfs": {}, "kubectl cp": {}}

    def note(way, got):
        for what, value in got.items():
            ways[way].setdefault(what, []).append(value)

    with standing_agent(b), our_mount(b) as ours, plain_sshfs(b) as plain:
        pod = b.kubectl("get", "pods", "-l", f"app={NAME}", "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
        for turn in range(TURNS):
            b.say(f"volumes, turn {turn + 1} of {TURNS}")
            pair = [lambda: note("our mount", through_mount(*ours)), lambda: note("plain sshfs", through_mount(*plain))]
            for go in pair if turn % 2 else reversed(pair):
                go()
            note("kubectl cp", with_kubectl_cp(b, pod))
    middle = {way: {what: statistics.median(all_) for what, all_ in got.items()} for way, got in ways.items()}
    b.result["volumes"] = {"turns": TURNS, "big_bytes": BIG, "small_files": SMALL, "seconds": middle, "seconds_all": ways,
                           "load_average": os.getloadavg()[0]}
    labels = {"read": "100 MB read", "write": "100 MB written", "find": f"find with sizes, {SMALL} files", "small": f"{SMALL} small files read"}
    for what, label in labels.items():
        for way, got in middle.items():
            if what not in got:
                continue
            speed = f" ({BIG / got[what] / 1e6:.0f} MB/s)" if what in ("read", "write") else ""
            b.row(f"{label}, {way}", f"{got[what]:.2f} s{speed}")
