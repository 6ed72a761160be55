"""The server as a process: `admit serve --policies`, under load, and what it costs. Linux, for /proc."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT_SECONDS = 3


def review(containers):
    """A Pod as an API server sends it."""
    return subprocess.run([HERE / "admission_review.py", str(containers)], check=True, capture_output=True).stdout


def named(body, name):
    """The same request about a Pod of that name."""
    changed = json.loads(body)
    changed["request"]["name"] = changed["request"]["object"]["metadata"]["name"] = name
    return json.dumps(changed).encode()


def certificate(directory):
    """A certificate for 127.0.0.1, signed by itself."""
    directory.mkdir()
    files = ["-keyout", directory / "tls.key", "-out", directory / "tls.crt"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *key, *names, *files], check=True, capture_output=True)
    return directory


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """`admit serve` with policies from files; ready when it is made, gone after the `with` block."""

    def __init__(self, binary, certificates, policies, log):
        self.port, health, self.metrics_port = free_ports(3)
        self.certificates = certificates
        arguments = [binary, "serve", "--host=127.0.0.1", f"--port={self.port}", f"--health-addr=127.0.0.1:{health}",
                     f"--prometheus-port={self.metrics_port}", f"--cert-dir={certificates}", "--shutdown-delay=0"]
        arguments += [f"--policies={path}" for path in policies]
        self.log = log
        begun = time.monotonic()
        with open(log, "wb") as output:
            self.process = subprocess.Popen(arguments, stdout=output, stderr=output)
        while not answers(health):
            if self.process.poll() is not None or time.monotonic() - begun > 60:
                self.__exit__()
                raise SystemExit(f"the server did not become ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.002)
        self.ready_ms = (time.monotonic() - begun) * 1000
        self.idle_mib = self.memory("VmRSS")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def memory(self, field):
        """MiB: `VmRSS` now, `VmHWM` at most since the start."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def constraints(self):
        """How many are in force."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as response:
            page = response.read().decode()
        return sum(int(count) for count in re.findall(r'^gatekeeper_constraints\{.*status="active"\} (\d+)', page, re.M))

    def load(self, body_file, requests):
        """Figures of load.sh."""
        url = f"https://127.0.0.1:{self.port}/v1/admit?timeout={TIMEOUT_SECONDS}s"
        command = [HERE / "load.sh", str(self.process.pid), url, body_file, str(requests)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        succeeded = int(re.search(r"(\d+) succeeded", text)[1])
        if succeeded != requests:
            raise SystemExit(f"{requests - succeeded} of {requests} requests failed:\n{text}")
        figure = lambda pattern: float(re.search(pattern, text)[1])
        return {"per_second": figure(r"([\d.]+) req/s"), "cpu_ms": figure(r"cpu ms/request: ([\d.]+)"),
                "p50": figure(r"p50 ([\d.]+)"), "p99": figure(r"p99 ([\d.]+)"),
                "rss_mib": figure(r"rss MiB: ([\d.]+)"), "peak_mib": figure(r"peak MiB: ([\d.]+)")}

    def client(self):
        return Client(self.port, self.certificates)


class Client:
    """One connection."""

    def __init__(self, port, certificates):
        context = ssl.create_default_context(cafile=certificates / "tls.crt")
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)

    def ask(self, body):
        """The response of a review, and how many seconds it took."""
        begun = time.monotonic()
        headers = {"content-type": "application/json"}
        self.connection.request("POST", f"/v1/admit?timeout={TIMEOUT_SECONDS}s", body, headers)
        answer = json.loads(self.connection.getresponse().read())["response"]
        return answer, time.monotonic() - begun


def answers(health_port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/readyz", timeout=1) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def contain(server, body):
    """Runaway policies into normal load, until all of them are set aside. What normal requests got meanwhile must be what
    they got before; every request must be answered in time. Returns seconds: runaways' longest, others' sorted."""
    expected, _ = server.client().ask(body)
    stop, wrong, others, runaways = threading.Event(), [], [], []

    def normal():
        client = server.client()
        while not stop.is_set():
            answer, seconds = client.ask(body)
            others.append(seconds)
            if answer != expected:
                wrong.append(answer)

    def run_away(how):
        client = server.client()
        for turn in range(4):
            answer, seconds = client.ask(named(body, f"runaway-{how}-{turn}"))
            runaways.append(seconds)
            if answer["allowed"]:
                wrong.append(f"runaway {how} allowed")

    normals = [threading.Thread(target=normal) for _ in range(2)]
    hows = re.findall(r"parameters: \{how: (\w+)\}", (HERE / "runaways.yaml").read_text())
    away = [threading.Thread(target=run_away, args=[how]) for how in [*hows, "all"]]
    for thread in normals + away:
        thread.start()
    for thread in away:
        thread.join()
    stop.set()
    for thread in normals:
        thread.join()
    if wrong:
        raise SystemExit(f"{len(wrong)} answers are not as they should be, first: {wrong[0]}")
    return max(runaways), sorted(others)
