"""The editor's system panel shows the devices that `artgraph devices` lists."""

import os
import shutil

import pytest
from editing import Server
from nvidia import GIB, GTX_1080, H100, machine

gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or os.name == "nt", reason="the driver is compiled by gcc"
)


def devices(folder, *options, **environment):
    with Server(folder, *options, **environment) as server:
        stats = server.get("/system_stats").json()
    return stats["system"], stats["devices"]


@gcc
def test_gpus_are_shown_and_why_one_is_not_used(tmp_path):
    environment = machine(tmp_path, H100, GTX_1080, driver=(13, 0), torch="13.0")
    system, found = devices(tmp_path, **environment)
    assert system["pytorch_version"] == "2.8.0"
    assert found[0] == {
        "name": "cuda:0 NVIDIA H100 (used, bfloat16)",
        "type": "cuda",
        "index": 0,
        "vram_total": 80 * GIB,
        "vram_free": 20 * GIB,
        "torch_vram_total": 80 * GIB,
        "torch_vram_free": 20 * GIB,
    }
    assert found[1]["name"].startswith("cuda:1 NVIDIA GeForce GTX 1080 (cannot be used: CUDA 13.0")
    assert found[1]["index"] == 1
    assert found[2]["name"].startswith("cpu ")
    assert "used" not in found[2]["name"]


def test_the_processor_is_shown_with_its_memory(tmp_path):
    system, found = devices(tmp_path, "--device", "cpu")
    assert found[-1]["name"].startswith("cpu ")
    assert found[-1]["name"].endswith(("(used, float32)", "(used, bfloat16)"))
    assert found[-1]["vram_total"] == system["ram_total"] > 0
