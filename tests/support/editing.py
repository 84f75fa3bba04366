"""A real server of the editor for tests, and a tab that listens to it."""

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
    """What a server said."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Server:
    """`artgraph edit` in a folder, on a free port."""

    def __init__(self, folder, *words, **environment):
        self.folder = Path(folder)
        self._log = (self.folder / "server.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "artgraph", "edit", "--no-browser", "--pack", str(PACK), *words],
            cwd=folder,
            env=os.environ | {"ARTGRAPH_CACHE": str(self.folder / "cache")} | environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.said = self.process.stdout.readline()
        found = re.search(r"http://[^:]+:(\d+)/(\S*)", self.said)
        assert found, self.said + (self.folder / "server.log").read_text()
        self.port, self.query = int(found[1]), found[2]
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, number=signal.SIGTERM):
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.process.stdout.close()
        self._log.close()
        return code

    def ask(self, method, path, body=None, **headers):
        """One request on a connection of its own."""
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
        """Queue a prompt; the answer."""
        return self.post("/prompt", {"prompt": prompt, "client_id": client, **more})

    def finished(self, prompt_id, seconds=60):
        """The job, once it has ended."""
        return until(lambda: self.job(prompt_id, "completed", "failed", "cancelled"), seconds)

    def job(self, prompt_id, *statuses):
        """The job if it is in one of these states."""
        job = self.get(f"/jobs/{prompt_id}").json()
        return job if job["status"] in statuses else None

    def upload(self, name, data, **fields):
        """Send a picture as a form."""
        edge = "----edge"
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
        )
        body = b"".join([*parts, head.encode(), data, f"\r\n--{edge}--\r\n".encode()])
        kind = f"multipart/form-data; boundary={edge}"
        return self.post("/upload/image", body, Content_Type=kind)

    def workers(self):
        """The processes that it started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]


class Tab:
    """Listens as a browser's tab does, in a thread of its own."""

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
                told = json.loads(data)
                self.messages.append((told["type"], told["data"]))
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
        """The data of the n-th message of a kind, once it is there."""
        return until(lambda: self.of(kind)[count - 1 : count], seconds)[0]


def until(ask, seconds=60):
    """What `ask` gives, once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ask():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing after {seconds} seconds")


def node(kind, title=None, **inputs):
    """A node of a prompt; a link is a pair of id and output number."""
    entry = {"class_type": f"Artgraph_{kind}", "inputs": {k: _linked(v) for k, v in inputs.items()}}
    return entry | ({"_meta": {"title": title}} if title else {})


def _linked(value):
    return list(value) if isinstance(value, tuple) else value
