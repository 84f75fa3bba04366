"""A real server of the editor for tests, and a client that receives messages as a tab does."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PACK = Path(__file__).parent / "pack.py"


@dataclass
class Answer:
    """The response of a server."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Server:
    """`artgraph edit` in a folder, on a free port.

    python: the interpreter that runs it; without it, that of the tests, with the pack of the tests.
    """

    def __init__(self, folder, *words, python=None, **environment):
        self.folder = Path(folder)
        self._log = (self.folder / "server.log").open("a")
        more = [] if python else ["--pack", str(PACK)]
        self.process = subprocess.Popen(
            [python or sys.executable, "-m", "artgraph", "edit", "--no-browser", *more, *words],
            cwd=folder,
            env=os.environ | {"ARTGRAPH_CACHE": str(self.folder / "cache")} | environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.first_line = self.process.stdout.readline()
        found = re.search(r"http://[^:]+:(\d+)/(\S*)", self.first_line)
        assert found, self.first_line + (self.folder / "server.log").read_text()
        self.port, self.query = int(found[1]), found[2]
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, number=signal.SIGTERM):
        """Stop the server and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.process.stdout.close()
        self._log.close()
        return code

    def ask(self, method, path, body=None, **headers):
        """Send one request on a new connection, and return the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, data, names)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, body=None, **headers):
        return self.ask("POST", path, body, **headers)

    def run(self, prompt, client="tab", **more):
        """Queue a prompt, and return the response."""
        return self.post("/prompt", {"prompt": prompt, "client_id": client, **more})

    def finished(self, prompt_id, seconds=60):
        """Wait until a job has ended, and return it."""
        return until(lambda: self.job(prompt_id, "completed", "failed", "cancelled"), seconds)

    def job(self, prompt_id, *statuses):
        """Returns the job if it has one of these statuses, else None."""
        job = self.get(f"/jobs/{prompt_id}").json()
        return job if job["status"] in statuses else None

    def upload(self, name, data, **fields):
        """Upload a picture as a form."""
        start = "------edge\r\nContent-Disposition: form-data; "
        parts = [
            f'{start}name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()
        ]
        head = f'{start}name="image"; filename="{name}"\r\n\r\n'
        body = b"".join([*parts, head.encode(), data, b"\r\n------edge--\r\n"])
        kind = "multipart/form-data; boundary=----edge"
        return self.post("/upload/image", body, Content_Type=kind)

    def workers(self):
        """Returns the ids of the processes that the server started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]


class Tab:
    """Receives the server's messages as a browser's tab does, in a separate thread."""

    def __init__(self, server, client="tab"):
        self.url = f"{server.address}/ws?clientId={client}"
        self.messages = []  # (kind, data); binary ones are "preview" and "progress_text"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._listen()])

    def __enter__(self):
        self._thread.start()
        self.wait("feature_flags")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self):
        import aiohttp

        self._done = asyncio.Event()
        async with aiohttp.ClientSession() as session, session.ws_connect(self.url) as socket:
            await socket.send_json({"type": "feature_flags", "data": {}})
            reading = asyncio.create_task(self._read(socket))
            await self._done.wait()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self, socket):
        async for message in socket:
            data = message.data
            if isinstance(data, str):
                event = json.loads(data)
                self.messages.append((event["type"], event["data"]))
            elif struct.unpack(">I", data[:4]) == (4,):
                (length,) = struct.unpack(">I", data[4:8])
                about = json.loads(data[8 : 8 + length])
                self.messages.append(("preview", about | {"picture": data[8 + length :]}))
            else:
                self.messages.append(("progress_text", {"raw": data}))

    def of(self, kind):
        return [data for name, data in list(self.messages) if name == kind]

    def kinds(self):
        return [name for name, _ in list(self.messages)]

    def wait(self, kind, count=1, seconds=60):
        """Wait for the n-th message of a kind (n is `count`), and return its data."""
        return until(lambda: self.of(kind)[count - 1 : count], seconds)[0]


def until(poll, seconds=60):
    """Call `poll` until it returns something true, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := poll():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing was found within {seconds} seconds")


def name_of(node):
    """Returns the name in the graph file of a workflow's node, or its title if it has none."""
    ours = (node.get("properties") or {}).get("artgraph")
    return ours["name"] if isinstance(ours, dict) else node.get("title")


def node(kind, title=None, **inputs):
    """Returns a node of a prompt. A link is a tuple of node id and output number."""
    entry = {"class_type": f"Artgraph_{kind}", "inputs": {k: _linked(v) for k, v in inputs.items()}}
    return entry | ({"_meta": {"title": title}} if title else {})


def _linked(value):
    return list(value) if isinstance(value, tuple) else value


def training(steps, pause=0.0, **more):
    """Returns a graph of the pack's training, with `pause` seconds in each step."""
    return {"5": node("slow_training", "walk", steps=steps, rate=0.1, pause=pause, seed=0, **more)}


# A graph of three nodes that saves two grey pictures.
PICTURE = {
    "1": node("grey", "paper", level=0.25, count=2),
    "2": node("save_image", "sheet", image=("1", 0), name="", format="png", quality=92),
    "7": node("noted", "count", value=4, name="x"),
}
