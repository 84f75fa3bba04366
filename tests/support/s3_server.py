"""An S3 server of moto in a process of its own, for tests and benchmarks/scale.py."""

import socket
import subprocess
import sys
import time
from contextlib import contextmanager

SECRET = "a-very-secret-value"


@contextmanager
def s3_server():
    """Yields a client of a new server; `port_of` returns the port."""
    import boto3
    from botocore.config import Config

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # A process of its own, so that its memory and its threads are not those of the test.
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_it_answers(port)
        yield boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="testing",
            aws_secret_access_key=SECRET,
            config=Config(region_name="us-east-1"),
        )
    finally:
        server.kill()
        server.wait()


def port_of(client):
    return int(client.meta.endpoint_url.rpartition(":")[2])


def environment(port):
    """Returns the variables with which s3fs uses a server on this machine."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def until_it_answers(port, seconds=60):
    """Wait until a server accepts connections."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.05)
