"""A TCP proxy in front of a server: it can be slow, break connections off, or be gone."""

import re
import socket
import threading
import time
from contextlib import suppress

REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) (\S+) HTTP/1\.1\r\n")

DENIED = b"""HTTP/1.1 403 Forbidden\r
Content-Type: application/xml\r
Connection: close\r
Content-Length: 72\r
\r
<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"""


class Proxy:
    """Forwards connections to `port` of this machine.

    port:     its own port.
    requests: the HTTP requests, such as "GET /bucket/name".
    delay:    seconds before each request is forwarded.
    cut:      a connection is broken off after so many bytes of the client; None for never.
    silent:   whether nothing is forwarded, so nobody answers.
    denied:   the verbs of requests that are answered as S3 answers somebody without permission.
    """

    def __init__(self, port):
        self._target = port
        self.requests, self.delay, self.cut, self.silent = [], 0.0, None, False
        self.denied = set()
        self._open = set()
        self.port = 0
        self.start()

    def start(self):
        """Accept connections, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        """Refuse connections, and break off those that exist."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            self._break(connection)

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {client, server}
                for pump in (self._pump_requests, self._pump):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _pump_requests(self, client, server):
        count = 0
        with suppress(OSError):
            while data := client.recv(1 << 16):
                found = REQUEST.match(data)
                if found:
                    self.requests.append(f"{found[1].decode()} {found[2].decode()}")
                    time.sleep(self.delay)
                    if found[1].decode() in self.denied:
                        client.sendall(DENIED)
                        break
                count += len(data)
                if self.cut is not None and count > self.cut:
                    break
                while self.silent:
                    time.sleep(0.02)
                server.sendall(data)
        self._break(client, server)

    def _pump(self, client, server):
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
        self._break(client, server)

    def _break(self, *connections):
        for connection in connections:
            self._open.discard(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
