"""An S3 server of moto behind a proxy, and caches of several machines that share a bucket."""

import os
from itertools import count

import pytest
from proxy import Proxy
from s3_server import environment, port_of, s3_server

from artgraph.contract.values.files import Files
from artgraph.contract.values.kinds import Number, socket_of
from artgraph.runner.store.keys import Key
from artgraph.runner.store.remote import Remote
from artgraph.runner.store.store import Store

_buckets = count()


@pytest.fixture(scope="session")
def s3_client():
    """A client of an S3 server on this machine."""
    with s3_server() as client:
        yield client


@pytest.fixture
def s3(s3_client, monkeypatch):
    """A new bucket; this process and those that it starts reach it through a proxy."""
    proxy = Proxy(port_of(s3_client))
    for name, value in environment(proxy.port).items():
        monkeypatch.setenv(name, value)
    yield Bucket(s3_client, proxy, f"bucket{next(_buckets)}-{os.getpid()}")
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
