"""Hostile requests by chance, to every route of the editor's server. The seed decides them all.

    python tests/support/attack.py --seed 3 --count 500

starts a server in a temporary folder, prints how often it answered with each status, and fails if
a request made an error of the server (500), reached a file outside, or ended the server.
"""

import argparse
import collections
import json
import random
import re
import sys
import tempfile

import hostile
from editing import Server

PRIVATE = b"nobody may read this"  # in a file beside the folders that may be read
_WORDS = ["x", "", "..", "%2e%2e%2fsecret.txt", "a%00b", "workflows%2Fx.json", "x" * 600, "con"]
_WORDS += [
    "..%5csecret.txt",
    "%ff",
    "user.css",
    "\u00e9".encode().hex(),
    "-1",
    "Artgraph_grey",
    "0",
]
_VALUES = [None, True, -1, 0, 1e308, 2**70, "", "x", "../secret.txt", [], {}, [[]], {"a": {}}]
_VALUES += ["\0", "<script>", ["1", 0], ["9", -1], {"__value__": [1]}, "NaN", "&a [*a]"]
_KEYS = ["prompt", "nodes", "links", "extra", "client_id", "1", "class_type", "inputs", "delete"]
_KEYS += ["clear", "name", "folder", "sheet", "edits", "prompt_id", "job_ids", "files", "version"]
_TYPES = ["application/json", "text/plain", "multipart/form-data; boundary=x", "text/yaml", ""]
_HOSTS = ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "[::1", "", "localhost#a"]
_ORIGINS = ["http://evil.example", "null", "http://127.0.0.1:1", "file://"]


def attack(server, seed, count):
    """Returns how often the server answered with each status (0 if it closed the connection)."""
    (server.folder / "secret.txt").write_bytes(PRIVATE)
    chance, statuses = random.Random(seed), collections.Counter()
    routes = sorted(_routes())
    for _ in range(count):
        is_foreign = chance.random() < 0.15
        request = _request(chance, *chance.choice(routes), is_foreign)
        said = hostile.answer(server.port, request)
        found = re.match(rb"HTTP/1\.[01] (\d+) ", said)
        status = int(found[1]) if found else 0
        assert status < 500, (request[:300], said[-500:])
        assert PRIVATE not in said, request[:300]
        assert not is_foreign or status in (0, 400, 403), (status, request[:300])
        statuses[status] += 1
    assert server.get("/users").status == 200, "the server no longer answers"
    return statuses


def _routes():
    """Returns the method and the path of every route, with `{}` in place of names."""
    from artgraph.editors.server import app

    for table in app._ROUTES:
        for route in table.routes:
            if route.path != "/ws" and route.path != "/free":
                yield route.method, re.sub(r"\{[^}]*\}", "{}", route.path)


def _request(chance, method, path, is_foreign):
    while "{}" in path:
        path = path.replace("{}", chance.choice(_WORDS), 1)
    if chance.random() < 0.6:
        names = (
            "filename",
            "subfolder",
            "type",
            "dir",
            "preview",
            "name",
            "folder",
            "sheet",
            "edge",
        )
        pairs = (f"{chance.choice(names)}={chance.choice(_WORDS)}" for _ in range(3))
        path += "?" + "&".join(pairs)
    if chance.random() < 0.1:
        method = chance.choice(["PUT", "DELETE", "PATCH", "GET", "POST", "OPTIONS"])
    if chance.random() < 0.3:
        path = "/api" + path
    host, lines = "127.0.0.1", []
    if is_foreign and chance.random() < 0.5:
        host = chance.choice(_HOSTS)
    elif is_foreign:
        lines.append(f"Origin: {chance.choice(_ORIGINS)}")
    lines.append(f"Content-Type: {chance.choice(_TYPES)}")
    body = b"" if method == "GET" else _body(chance)
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def _body(chance):
    kind = chance.randrange(8)
    if kind == 0:
        return chance.randbytes(chance.randrange(2_000))
    if kind == 1:
        return chance.choice([b"[", b'{"a":', b'{"prompt":{"1":']) * chance.randrange(1, 60_000)
    if kind == 2:
        many = b"\n".join(b"l%d: &l%d [%s]" % (n, n, b"*l%d," % (n - 1) * 9) for n in range(1, 9))
        return b"artgraph: 1\nl0: &l0 [lol]\n" + many + b"\nnodes: *l8\n"
    if kind == 3:
        return _form(chance)
    if kind == 4:
        text = json.dumps(_tree(chance, 4))
        return text[: chance.randrange(len(text) + 1)].encode()
    if kind == 5:
        node = {"class_type": "Artgraph_grey", "inputs": {"level": chance.choice(_VALUES)}}
        return json.dumps({"prompt": {"1": node, "2": _tree(chance, 2)}}).encode()
    return json.dumps(_tree(chance, 4)).encode()


def _tree(chance, depth):
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(_VALUES)
    if chance.random() < 0.3:
        return [_tree(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(_KEYS): _tree(chance, depth - 1) for _ in range(chance.randrange(5))}


def _form(chance):
    """Returns a form with the boundary x, which is damaged in many ways."""
    parts = []
    for _ in range(chance.randrange(4)):
        name = chance.choice(["image", "files", "type", "subfolder", "overwrite", "name", ""])
        file = chance.choice(
            ["", '; filename="../secret.png"', '; filename="a.png"', "; filename*=x"]
        )
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\n'
        edge = chance.choice(["--x\r\n", "--x", "--y\r\n", ""])
        content = chance.choice([b"../..", b"input", b"\x89PNG", b"", chance.randbytes(50)])
        parts.append(edge.encode() + head.encode() + b"\r\n" + content + b"\r\n")
    return b"".join(parts) + chance.choice([b"--x--\r\n", b"--x", b""])


def main():
    parser = argparse.ArgumentParser(description="Send hostile requests to the editor's server.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server(folder) as server:
        statuses = attack(server, chosen.seed, chosen.count)
    print(
        ", ".join(f"{count} of {status or 'closed'}" for status, count in sorted(statuses.items()))
    )


if __name__ == "__main__":
    sys.exit(main())
