"""An S3 server of moto behind a proxy, and caches of several machines that share a bucket."""

import os
import socket
import subprocess
import sys
import time
from itertools import count

import pytest
from proxy import Proxy

from artgraph.contract.values.files import Files
from artgraph.contract.values.kinds import Number, socket_of
from artgraph.runner.store.keys import Key
from artgraph.runner.store.remote import Remote
from artgraph.runner.store.store import Store

SECRET = "a-very-secret-value"
_buckets = count()


@pytest.fixture(scope="session")
def s3_server():
    """A client of an S3 server on this machine."""
    import boto3
    from botocore.config import Config

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # A process of its own, so that its memory is not counted, and a test may stop its own threads.
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


def until_it_answers(port, seconds=60):
    """Wait until a server accepts connections."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.05)


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A new bucket; this process and those that it starts reach it through a proxy."""
    proxy = Proxy(int(s3_server.meta.endpoint_url.rpartition(":")[2]))
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = Bucket(s3_server, proxy, f"bucket{next(_buckets)}-{os.getpid()}")
    yield bucket
    proxy.stop()


class Bucket:
    """A bucket, seen past the proxy."""

    def __init__(self, client, proxy, name):
        self.client, self.proxy, self.name = client, proxy, name
        self.url = f"s3://{name}/shared"
        self.client.create_bucket(Bucket=name)

    def names(self, kind=""):
        """Returns the names of the objects below the address."""
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=f"shared/{kind}")
        return [item["Key"].removeprefix("shared/") for item in found.get("Contents", [])]

    def get(self, name):
        return self.client.get_object(Bucket=self.name, Key=f"shared/{name}")["Body"].read()

    def put(self, name, data):
        self.client.put_object(Bucket=self.name, Key=f"shared/{name}", Body=data)


@pytest.fixture
def machine(tmp_path):
    """Opens the cache of a machine that uses a remote cache. Returns it and its warnings."""
    stores = []

    def opened(name, url, **options):
        messages = []
        store = Store(tmp_path / name, messages.append, Remote(url, messages.append, **options))
        stores.append(store)
        return store, messages

    yield opened
    for store in stores:
        store.close()


def key_of(number):
    return Key(f"{number:032x}", {"node": "test"})


def put(store, number, data=None):
    """Store a result: the number itself, or a blob with some bytes."""
    value = (Number, number) if data is None else (Files, Files({"@.bin": data}))
    store.put(key_of(number), {"out": (socket_of(value[0]), value[1])}, 1.0)


def get(store, number):
    """Returns the value of a result, None if it is not there."""
    found = store.lookup(key_of(number).digest)
    if found is None:
        return None
    stored = found.outputs["out"]
    if stored.size is None:
        return store.value(socket_of(Number), stored)
    return store.value(socket_of(Files), stored).files["@.bin"]
