"""Malformed and hostile requests, as bytes. The server must refuse them and continue to work."""

import itertools
import json
import socket
import struct

_DOTS = ["..", "%2e%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae.", "%uff0e.", "..%00"]
_DOTS += ["..;", "%2e%2e%20", "．．", "...", "%5c..", "..%5c..", "..%2f..", "%2f%2e%2e"]
_ROUTES = ["/", "/api/", "/view?type=input&filename=", "/view?type=temp&filename=a&subfolder="]
_ROUTES += ["/userdata/", "/userdata/workflows%2f", "/userdata?dir=", "/templates/"]
_ROUTES += ["/extensions/artgraph/", "/extensions/artgraph/docs/"]
_ROUTES += ["/assets/", "/scripts/", "/jobs/", "/artgraph/review/picture?sheet="]

_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5_000, "1e-400", "-0", "2e308"]
_WRONG = ["null", "true", "[]", "{}", '""', '"x"', "[[]]", '{"": {}}', '"\\ud800"', '"\\u0000"']
_DEEP = ["[" * 3_000 + "]" * 3_000, '{"a":' * 3_000 + "1" + "}" * 3_000]
_FIELDS = {
    "/prompt": [
        "prompt",
        "client_id",
        "extra_data",
        "front",
        "number",
        "partial_execution_targets",
    ],
    "/queue": ["clear", "delete"],
    "/history": ["clear", "delete"],
    "/jobs/cancel": ["job_ids"],
    "/interrupt": ["prompt_id"],
    "/artgraph/plan": ["nodes", "links", "extra", "definitions", "groups", "version"],
    "/artgraph/yaml": ["nodes", "links", "extra", "groups"],
    "/userdata/workflows%2Fodd.json": ["nodes", "links", "extra", "groups"],
    "/artgraph/review/open": ["graph", "folder", "table", "review", "size", "aspect"],
    "/artgraph/review/save": ["sheet", "digest", "edits"],
    "/artgraph/review/close": ["sheet"],
    "/settings": ["Comfy.ColorPalette", "a"],
}
_NODE = '{"class_type": "Artgraph_grey", "inputs": {"level": 0.5, "count": 1}}'
_WORKFLOW_NODE = '{"id": 1, "type": "Artgraph_grey", "widgets_values": [0.5, 1]}'


def _request(method, path, body=b"", *headers):
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if body or method in ("POST", "PATCH", "PUT"):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogatepass") + body


def paths_outside():
    """Yields paths with `..` in many encodings, for each route that contains a name."""
    for route, dots in itertools.product(_ROUTES, _DOTS):
        slash = "/" if route in ("/", "/api/", "/assets/", "/scripts/") else "%2f"
        yield _request("GET", route + slash.join([dots] * 6 + ["etc", "passwd"]))


def wrong_values():
    """Yields JSON of the right structure with wrong values, and invalid JSON."""
    for path, fields in _FIELDS.items():
        for field, value in itertools.product(fields, _WRONG + _NUMBERS + _DEEP):
            prompt = f'"prompt": {{"1": {_NODE}}}, ' if path == "/prompt" != f"/{field}" else ""
            yield _request("POST", path, f'{{{prompt}"{field}": {value}}}'.encode())
        for body in (b"{", b'{"a": ', b"\x00", b"\xef\xbb\xbf{}", b"{} {}", b"'a'", b"// a"):
            yield _request("POST", path, body)
    for key, value in itertools.product(("class_type", "inputs", "_meta"), _WRONG + _NUMBERS):
        parts = json.loads(_NODE) | {key: "VALUE"}
        node = json.dumps(parts).replace('"VALUE"', value)
        yield _request("POST", "/prompt", f'{{"prompt": {{"1": {node}}}}}'.encode())
    for value in (
        _WRONG + _NUMBERS + ['["1", 0]', '["9", 0]', '["1", -1]', '["1", 1e9]', '[1, "0"]']
    ):
        node = _NODE.replace("0.5", value)
        yield _request("POST", "/prompt", f'{{"prompt": {{"1": {node}}}}}'.encode())
    for key, value in itertools.product(
        ("id", "type", "pos", "size", "inputs", "outputs", "mode", "properties", "widgets_values"),
        _WRONG + _NUMBERS,
    ):
        node = json.dumps(json.loads(_WORKFLOW_NODE) | {key: "VALUE"}).replace('"VALUE"', value)
        for path in ("/artgraph/plan", "/userdata/workflows%2Fodd.json"):
            body = f'{{"nodes": [{node}], "links": [], "version": 0.4}}'
            yield _request("POST", path, body.encode())


def odd_names():
    """Yields unusual ids and names that are valid; messages, files and the history contain them."""
    for name in ("\\ud800", "\\u0000", "../../x", "a" * 10_000, "🎨", "__proto__", "", " ", "\\n"):
        prompt = f'{{"prompt": {{"{name}": {_NODE}}}, "client_id": "{name}"}}'
        yield _request("POST", "/prompt", prompt.encode())
        title = _NODE[:-1] + f', "_meta": {{"title": "{name}"}}}}'
        extra = f'{{"extra_pnginfo": {{"workflow": {{"extra": {{"artgraph_file": "{name}"}}}}}}}}'
        body = f'{{"prompt": {{"1": {title}}}, "extra_data": {extra}}}'
        yield _request("POST", "/prompt", body.encode())


def broken_http():
    """Yields requests that are not valid HTTP, or too large."""
    yield from (
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nno colon\r\n\r\n",
        b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9x\r\n\r\n{}",
        b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999999999999\r\n\r\n{}",
        b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 4\r\n\r\n0\r\n\r\nGET /settings HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        _request("GET", "/" + "a" * 100_000),
        _request("GET", "/users", b"", "X: " + "a" * 100_000),
        _request("GET", "/users", b"", *(f"X{i}: a" for i in range(5_000))),
        _request("GET", "/users", b"", "Cookie: " + "a=b;" * 2_000),
        _request("GET", "/view?" + "&".join(f"a{i}=" for i in range(2_000))),
        _request("POST", "/prompt", b"\x1f\x8b" + bytes(100), "Content-Encoding: gzip"),
        _request("POST", "/prompt", b"{}", "Content-Encoding: br, gzip, deflate"),
        _request("POST", "/prompt", b"{}", "Content-Type: text/html; charset=nonsense"),
        _request("POST", "/prompt", b"{}", "Expect: 100-nonsense"),
    )
    for method in ("TRACE", "CONNECT", "OPTIONS", "PROPFIND", "DELETE", "PUT", "HEAD", "X" * 300):
        yield _request(method, "/prompt")
        yield _request(method, "*")


def broken_forms():
    """Yields uploads that end early, or have no boundary or no picture."""
    part = '--e\r\nContent-Disposition: form-data; name="image"; filename="{}"\r\n\r\n'
    forms = [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"--\r\n"),
        ("multipart/form-data; boundary=" + "e" * 200, b"--e--"),
        ("multipart/form-data; boundary=e", b""),
        ("multipart/form-data; boundary=e", b"--e"),
        ("multipart/form-data; boundary=e", b"--e\r\nContent-Disposition: form"),
        ("multipart/form-data; boundary=e", part.format("a.png").encode() + b"half"),
        ("multipart/form-data; boundary=e", b"--e\r\n\r\n\r\n--e--\r\n"),
        ("multipart/form-data; boundary=e", b"--e\r\nX: " + b"a" * 100_000 + b"\r\n\r\n--e--"),
        (
            "multipart/form-data; boundary=e",
            b"--e\r\nContent-Type: multipart/mixed; boundary=f\r\n\r\n--f--\r\n--e--",
        ),
        (
            "multipart/form-data; boundary=e",
            b'--e\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n' * 500 + b"--e--",
        ),
        (
            "multipart/form-data; boundary=e",
            b"--e\r\nContent-Transfer-Encoding: nonsense\r\n\r\nx\r\n--e--",
        ),
        ("application/x-www-form-urlencoded", b"image=x"),
    ]
    forms += [
        ("multipart/form-data; boundary=e", part.format(name).encode() + b"x\r\n--e--\r\n")
        for name in (
            "",
            "..",
            "../a.png",
            "a/../../b.png",
            "a\\..\\b.png",
            "%00.png",
            ".png",
            "a.PNG\x00.exe",
        )
    ]
    for path, (kind, body) in itertools.product(("/upload/image", "/upload/mask"), forms):
        yield _request("POST", path, body, f"Content-Type: {kind}")


def broken_sockets():
    """Yields invalid frames in a WebSocket that was opened correctly."""
    hello = _request(
        "GET", "/ws?clientId=x", b"", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ).replace(b"Connection: close", b"Connection: Upgrade")  # fmt: skip
    text = json.dumps({"type": "feature_flags", "data": "x"}).encode()
    frames = [
        b"\x81\x02hi",  # not masked
        _frame(0x3, b"x"),  # an undefined opcode
        b"\xf1" + _frame(0x1, b"x")[1:],  # reserved bits
        b"\x81\xff" + struct.pack(">Q", 2**63 - 1) + b"mask",
        b"\x81\xff" + struct.pack(">Q", 2**40) + b"mask" + b"x" * 1_000,
        _frame(0x0, b"goes on from nothing"),
        _frame(0x1, b"\xff\xfe\xfd"),  # not UTF-8
        _frame(0x8, b"x"),  # one byte of a status code, which has two
        _frame(0x8, struct.pack(">H", 99)),
        b"\x89\xfe" + struct.pack(">H", 200) + b"mask" + bytes(200),  # a long ping
        b"\x81",
        _frame(0x2, bytes(1_000)),
        _frame(0x1, b"[" * 100_000),
        _frame(0x1, text) * 100,
        b"GET / HTTP/1.1\r\n\r\n",
    ]
    yield from (hello + frame for frame in frames)
    yield hello.replace(b"Version: 13", b"Version: 99")
    yield hello.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short")


def _frame(opcode, data):
    mask = b"mask"
    length = (
        bytes([0x80 | len(data)]) if len(data) < 126 else b"\xff" + struct.pack(">Q", len(data))
    )
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    return bytes([0x80 | opcode]) + length + mask + masked


KINDS = (paths_outside, wrong_values, odd_names, broken_http, broken_forms, broken_sockets)


def answer(port, data, seconds=1):
    """Returns what a server responds to these bytes until it closes or waits for more."""
    response = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            while chunk := connection.recv(65_536):
                response += chunk
        except (TimeoutError, ConnectionError):
            pass  # the server may close the connection at any time
    return response
