"""Datasets in shards for tests: writing them, streaming them, and servers that send them."""

import http.server
import io
import json
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from packing import write_tar
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.shards import Shards
from artgraph.nodes.stream_dataset import stream_dataset


def picture(number, form="PNG", size=(16, 16), mode="RGB"):
    """The content of a file with a picture that no other number has."""
    levels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(levels).convert(mode).save(content, form)
    return content.getvalue()


def samples(first, count, classes=("cat", "dog"), **more):
    """The files of some samples: pictures, each with its class as JSON."""
    files = {}
    for number in range(first, first + count):
        files[f"{number:05}.png"] = picture(number, **more)
        files[f"{number:05}.json"] = json.dumps({"label": classes[number % len(classes)]}).encode()
    return files


def write_shards(folder, shards, each, **more):
    """Writes so many tar files with so many pictures each. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        write_tar(folder / f"s-{number:03}.tar", samples(number * each, each, **more))
    return folder


def stream(place, pattern="", **widgets):
    """A dataset in shards, and the lines that were reported."""
    lines = []
    ctx = Context(log=lines.append, warn=lines.append)
    widgets = {"size": 16, **widgets}
    return stream_dataset(None, shards=Shards(str(place), pattern), ctx=ctx, **widgets), lines


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        server = self.server
        path = Path(server.folder) / self.path.partition("?")[0].lstrip("/")
        server.requests.append((self.command, path.name, self.headers.get("Range")))
        if server.failures > 0 and path.suffix == ".tar" and with_body:
            server.failures -= 1
            self.send_error(503)
            return
        if not path.is_file():
            self.send_error(404)
            return
        data, status = path.read_bytes(), 200
        headers = {"ETag": f'"{path.stat().st_mtime_ns}"', "Accept-Ranges": "bytes"}
        if server.sends_parts and (wanted := self.headers.get("Range")):
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[int(start) : int(end) + 1], 206
        if not server.sends_parts:
            del headers["Accept-Ranges"]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)
            server.sent += len(data)

    def log_message(self, *_):
        pass


@contextmanager
def served(folder, sends_parts=True):
    """A web server of a folder: `address`, `requests`, bytes `sent`, and `failures` to come."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.folder, server.sends_parts = folder, sends_parts
    server.requests, server.failures, server.sent = [], 0, 0
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
