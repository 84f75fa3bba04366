"""The editor's system panel shows the devices that `artgraph devices` lists."""

import os
import shutil

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import Server, node
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
    reason = "cannot be used: torch for CUDA 13.0 needs compute capability at least 7.5"
    assert found[1]["name"].startswith(f"cuda:1 NVIDIA GeForce GTX 1080 ({reason}")
    assert found[1]["index"] == 1
    assert found[2]["name"].startswith("cpu ")
    assert "used" not in found[2]["name"]


def test_the_processor_is_shown_with_its_memory(tmp_path):
    system, found = devices(tmp_path, "--device", "cpu")
    assert found[-1]["name"].startswith("cpu ")
    assert found[-1]["name"].endswith(("(used, float32)", "(used, bfloat16)"))
    assert found[-1]["vram_total"] == system["ram_total"] > 0


@gcc
def test_the_editor_uses_several_gpus(tmp_path):
    environment = machine(tmp_path, H100, H100, GTX_1080)
    (tmp_path / "packages" / "torch" / "__init__.py").write_text("")
    with Server(tmp_path, "--device", "cuda:all", **environment) as server:
        answer = server.run({"7": node("noted", "count", value=4, name="x")}).json()
        assert server.finished(answer["prompt_id"])["status"] == "completed"
        found = server.get("/system_stats").json()["devices"]
        logs = server.get("/internal/logs").json() + (tmp_path / "server.log").read_text()
    assert ["(used, bfloat16)" in device["name"] for device in found] == [True, True, False, False]
    assert logs.count("cuda:2 is not used: it is of another kind") == 1


@gcc
def test_the_editor_says_once_why_a_gpu_is_not_used(tmp_path):
    """The process that runs graphs does not repeat it."""
    environment = machine(tmp_path, H100, torch=None)
    (tmp_path / "packages" / "torch" / "__init__.py").write_text("")  # this process imports it
    with Server(tmp_path, **environment) as server:
        answer = server.run({"7": node("noted", "count", value=4, name="x")}).json()
        assert server.finished(answer["prompt_id"])["status"] == "completed"
        (gpu, cpu) = server.get("/system_stats").json()["devices"]
        logs = server.get("/internal/logs").json() + (tmp_path / "server.log").read_text()
    assert "(cannot be used: torch 2.8.0 was built without CUDA - install" in gpu["name"]
    assert "(used, " in cpu["name"]
    assert logs.count("is not used") == 1
    assert "warning: NVIDIA H100 is not used: torch 2.8.0 was built without CUDA" in logs
