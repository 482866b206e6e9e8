"""Cold chain: watches refrigerated transports, says which need attention, and keeps a signed record.

    GET /             the page                    GET /api/now       each transport with its verdict
    GET /report.csv   what happened, signed       GET /api/history   the last three hours
    GET /health       200 while it works

Standard library only.
"""

import csv
import hashlib
import hmac
import io
import json
import os
import signal
import sys
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rules import LEVELS, judge, limits_from, log, number
from transports import STEP, WINDOW, create_source

LOOK_EVERY = 2
"""Readings older than this many seconds are no news any more: then the app is not healthy."""
STALE = 30
GRACE = 4

env = os.environ
limits = limits_from(env)
fleet = env.get("FLEET") or "Northern route"
cargo = env.get("CARGO") or "vaccines"
replica = env.get("AVISHKAR_REPLICA", "local")
report_key = env.get("REPORT_KEY", "")
source = create_source(env, number(env.get("TRANSPORTS"), 6), limits)
page = Path(__file__).with_name("page.html").read_bytes()


class Watch:
    """The readings of all transports, and what they mean. Read by requests, written by one thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.transports = source.past(time.time())
        self.seen = time.time()
        self.problem = None
        self.levels = {}

    def look(self):
        try:
            news = source.read(time.time())
        except Exception as error:  # whatever the sensors do, the page goes on and says so
            self.trouble(f"The sensors do not answer: {error}")
            return
        with self.lock:
            self.seen, self.problem = time.time(), None
            for key, one in news.items():
                samples = self.transports.get(key, one)["samples"]
                if not samples or one["samples"][-1][0] > samples[-1][0]:
                    samples = samples + one["samples"]
                self.transports[key] = {**one, "samples": [each for each in samples if each[0] >= self.seen - WINDOW]}
        self.tell()

    def trouble(self, sentence):
        if sentence != self.problem:
            print(sentence, file=sys.stderr)
        self.problem = sentence

    def tell(self):
        """One line when something changes, not one per reading."""
        for one in self.now()["transports"]:
            before = self.levels.get(one["id"])
            self.levels[one["id"]] = one["level"]
            if before is not None and before != one["level"]:
                print(f"{one['name']}: {one['level']}, {one['temperature']:.1f} °C. {one['text']}")

    def all(self):
        with self.lock:
            return {key: dict(one) for key, one in self.transports.items() if one["samples"]}

    def now(self):
        transports = []
        for key, one in self.all().items():
            verdict = judge(one["samples"], limits)
            transports.append({"id": key, "name": one["name"], "route": one["route"], "progress": one["progress"], **verdict})
        worst = max((one["level"] for one in transports), key=LEVELS.index, default="good")
        return {
            "fleet": fleet,
            "cargo": cargo,
            "replica": replica,
            "source": source.kind,
            "limits": limits,
            "at": self.seen,
            "level": worst,
            "problem": self.problem,
            "signed": bool(report_key),
            "transports": transports,
        }

    def history(self):
        series = {}
        for key, one in self.all().items():
            samples = one["samples"]
            series[key] = {
                "at": [at for at, _, _ in samples],
                "temperature": [value for _, value, _ in samples],
                "door": [int(door) for _, _, door in samples],
                "log": log(samples, limits),
            }
        return {"stepSeconds": STEP, "windowSeconds": WINDOW, "transports": series}

    def report(self):
        """What happened, for whoever takes over the cargo."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["transport", "what", "from", "to", "worst °C", "judged"])
        for one in self.all().values():
            for entry in log(one["samples"], limits):
                worst = f"{entry['worst']:.2f}" if "worst" in entry else ""
                writer.writerow([one["name"], entry["kind"], stamp(entry["at"]), stamp(entry["end"]), worst, entry["level"]])
        return text.getvalue().encode()


def stamp(at):
    return "" if at is None else datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "cold-chain"
    sys_version = ""
    timeout = 60

    def do_GET(self):
        with working:
            route = ROUTES.get(self.path.split("?")[0])
            if route:
                route(self)
            else:
                self.give(404, "text/plain; charset=utf-8", b"There is no such page\n")

    do_HEAD = do_GET

    def do_POST(self):
        # What was sent with it is not read, so the connection is of no use any more.
        self.close_connection = True
        self.give(405, "text/plain; charset=utf-8", b"Only GET\n", allow="GET, HEAD", connection="close")

    do_PUT = do_PATCH = do_DELETE = do_POST

    def page(self):
        policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
        self.give(200, "text/html; charset=utf-8", page, cache_control="no-cache", content_security_policy=policy)

    def health(self):
        fresh = time.time() - watch.seen < STALE
        self.give(200 if fresh else 503, "text/plain; charset=utf-8", b"Ok\n" if fresh else f"{watch.problem}\n".encode())

    def report(self):
        body = watch.report()
        signature = {}
        if report_key:
            digest = hmac.new(report_key.encode(), body, hashlib.sha256).hexdigest()
            signature = {"x_signature": f"sha256={digest}"}
        disposition = 'attachment; filename="cold-chain.csv"'
        self.give(200, "text/csv; charset=utf-8", body, content_disposition=disposition, **signature)

    def json(self, value):
        self.give(200, "application/json; charset=utf-8", json.dumps(value, ensure_ascii=False).encode(), cache_control="no-store")

    def give(self, status, content_type, body, **headers):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("x-replica", replica)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """One line per request would bury what matters."""


ROUTES = {
    "/": Handler.page,
    "/health": Handler.health,
    "/report.csv": Handler.report,
    "/api/now": lambda handler: handler.json(watch.now()),
    "/api/history": lambda handler: handler.json(watch.history()),
}


class Working:
    """Counts the requests under way."""

    def __init__(self):
        self.changed = threading.Condition()
        self.count = 0

    def __enter__(self):
        with self.changed:
            self.count += 1

    def __exit__(self, *_):
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait(self, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: self.count == 0, seconds)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A browser that goes away is no fault; anything else is."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


working = Working()
watch = Watch()
stopping = threading.Event()


def look_on():
    while not stopping.wait(LOOK_EVERY):
        watch.look()


def main():
    watch.look()
    server = Server(("", int(env.get("PORT", "8050"))), Handler)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    threading.Thread(target=look_on, daemon=True).start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    what = "simulated transports, as no sensors are bound" if source.kind == "simulated" else "its bound sensors"
    print(f"cold-chain watches {fleet!r} on port {server.server_address[1]}, reading {what}")
    print(f"{cargo}: {limits['low']:g} to {limits['high']:g} °C; reports are {'signed' if report_key else 'not signed'}")
    stopping.wait()
    print("stopping")
    server.shutdown()
    working.wait(GRACE)
    print("stopped")


if __name__ == "__main__":
    main()
