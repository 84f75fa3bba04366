"""In ComfyUI, artgraph computes on ComfyUI's device, and frees the GPU's memory before it does."""

import os
import subprocess
import sys

import pytest
from comfy_stand_in import COMMON

START = """
import sys
sys.path.insert(0, {folder!r})
import comfy.model_management as comfy
import torch
from artgraph.editors.comfy import host
from artgraph.editors.comfy.running import RunningNode
from artgraph.models.training.numerics import Numerics
"""


@pytest.fixture
def run(tmp_path):
    """Returns a function that runs code beside ComfyUI's modules, and returns what it prints."""
    for name, text in COMMON.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(code, **environment):
        done = subprocess.run(
            [sys.executable, "-c", START.format(folder=str(tmp_path)) + code],
            env={k: v for k, v in os.environ.items() if k != "ARTGRAPH_DEVICE"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


DEVICE = """
torch.cuda.get_device_capability = lambda device: ((9, 0), (7, 5))[device.index]
comfy.device = {device!r}
print(host.numerics().device, host.numerics().precision)
"""


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cuda:0", "cuda:0 bfloat16"),
        ("cuda:1", "cuda:1 float32"),
        ("mps", "mps float32"),
        ("xpu:0", "cpu"),
        ("cpu", "cpu"),
    ],
)
def test_the_device_is_comfyuis(run, device, expected):
    """With ComfyUI's `--cpu` it is the processor, which also replaces devices of other kinds."""
    assert run(DEVICE.format(device=device)).startswith(expected)


def test_the_user_can_choose_another_device(run):
    assert run(DEVICE.format(device="cuda:0"), ARTGRAPH_DEVICE="cpu").startswith("cpu ")


SWITCHES = """
before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
node = RunningNode(False, dict)
for node.numerics in (Numerics("cpu"), Numerics("cuda:0"), Numerics("mps")):
    with node.switches():
        print(comfy.unloaded, torch.backends.cudnn.allow_tf32)
assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before
"""


def test_comfyuis_models_leave_the_gpu_before_a_node_uses_it(run):
    lines = run(SWITCHES, ARTGRAPH_DEVICE="cpu").splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]


def test_tf32_is_as_it_was_after_the_node(run):
    code = "torch.backends.cuda.matmul.allow_tf32 = True\n" + SWITCHES
    lines = run(code, ARTGRAPH_DEVICE="cpu").splitlines()
    assert [line.split()[1] for line in lines] == ["True", "False", "True"]


def test_a_node_runs_if_another_pack_has_set_tf32_for_each_operation(run):
    newer = "hasattr(torch.backends.cudnn, 'conv')"
    code = f"if {newer}: torch.backends.cudnn.conv.fp32_precision = 'ieee'\n"
    code += "with RunningNode(False, dict).switches(): print('ran')"
    assert run(code, ARTGRAPH_DEVICE="cpu") == "ran"
