"""sshuttle's client as it comes, with none of the options and changes of sidecar-image/sidecar/capture.py: what the bench has in
its place, in an image of its own, to measure what they are worth."""
import sys

sys.path[:] = [p for p in sys.path if not p.startswith("/usr/lib/tpdocker")]
sys.path.append("/usr/lib/python3/dist-packages")

from sshuttle.cmdline import main  # noqa: E402

sys.argv = [a for a in sys.argv if not a.startswith(("--no-latency-control", "--latency-buffer-size"))]
sys.exit(main())
