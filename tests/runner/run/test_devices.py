"""Which device a run uses, as the driver of the GPU reports it; nothing imports torch."""

import json
import os
import shutil
import sys
from dataclasses import replace

import pytest
from nvidia import GIB, GTX_1080, H100, RTX_2080, RTX_5090, V100, machine

from artgraph.contract.errors import GraphError
from artgraph.runner.run.device_option import numerics_for
from artgraph.runner.run.devices import Torch, gpus

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or os.name == "nt", reason="the driver is compiled by gcc"
)
GRAPH = "artgraph: 1\nnodes:\n  art: {node: procedural_art, with: {count: 4}}\n"
GRAPH += "  net: {node: train_classifier, from: {dataset: art}}\n"


@pytest.fixture
def rows(cli):
    """Returns a function from an environment to the devices by name."""

    def read(environment):
        done = cli("devices", "--json", **environment)
        assert done.returncode == 0, done.stderr
        return {row["name"]: row for row in json.loads(done.stdout)}

    return read


@pytest.fixture
def plan(cli):
    """Returns a function that plans a graph; its keys contain the numerics."""
    cli.write("g.yaml", GRAPH)
    return lambda environment, device: cli(
        "plan", "g.yaml", "--device", device, "--json", **environment
    )


def test_a_gpu_is_found_with_its_memory(tmp_path, rows):
    found = rows(machine(tmp_path, H100, RTX_2080))
    assert list(found) == ["cuda:0", "cuda:1", "cpu"]
    assert found["cuda:0"] == {
        "name": "cuda:0",
        "model": "NVIDIA H100",
        "precision": "bfloat16",
        "memory": 80 * GIB,
        "free": 20 * GIB,
        "auto": True,
        "all": True,
        "problem": None,
        "advice": None,
    }
    assert [row["auto"] for row in found.values()] == [True, False, False]


def test_bfloat16_needs_compute_capability_8(tmp_path, rows):
    found = rows(machine(tmp_path, H100, RTX_2080))
    assert found["cuda:1"]["problem"] is None
    assert found["cuda:1"]["precision"] == "float32"


def test_a_person_can_read_the_list(tmp_path, cli):
    environment = machine(tmp_path, H100, GTX_1080, driver=(13, 0), torch="13.0")
    done = cli("devices", **environment)
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "cuda:0  NVIDIA H100: bfloat16, 20.0 GiB of 80.0 GiB free, used by --device auto"
    )
    assert lines[1] == (
        "cuda:1  NVIDIA GeForce GTX 1080: cannot be used, because torch for CUDA 13.0 needs "
        "compute capability at least 7.5, and this GPU has 6.1 - install torch for CUDA 12.6"
    )
    assert lines[2].startswith("cpu     ")
    assert lines[3:6] == [
        "torch 2.8.0 was built for CUDA 13.0",
        "the NVIDIA driver supports CUDA 13.0",
        "CUDA_VISIBLE_DEVICES=0,1 hides all other NVIDIA GPUs",
    ]
    assert done.stderr == ""


OLD_DRIVER = "torch needs CUDA 12.6, and the NVIDIA driver supports 11.4"
OLD_DRIVER += " - update the driver or install torch for CUDA 11"


def test_auto_does_not_use_a_gpu_that_the_driver_cannot_serve(tmp_path, plan):
    environment = machine(tmp_path, H100, driver=(11, 4))
    done = plan(environment, "auto")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [f"warning: NVIDIA H100 is not used: {OLD_DRIVER}"]
    assert done.stdout == plan(environment, "cpu").stdout
    refused = plan(environment, "cuda")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [f"--device cuda: {OLD_DRIVER}, or use cpu"]


@pytest.mark.parametrize(
    ("more", "because"),
    [
        ({"torch": None}, "torch 2.8.0 was built without CUDA"),
        ({"broken": 803}, "the NVIDIA driver does not start (the driver is broken)"),
        (
            {"torch": "13.0", "driver": (13, 1)},
            "torch for CUDA 13.0 needs compute capability at least",
        ),
    ],
)
def test_auto_says_why_a_gpu_is_not_used(tmp_path, rows, plan, more, because):
    environment = machine(tmp_path, GTX_1080, **more)
    found = rows(environment)
    assert found["cpu"]["auto"]
    done = plan(environment, "auto")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: NVIDIA ")
    assert because in line
    assert because in found["cuda:0"]["problem"]


def test_a_newer_driver_of_the_same_major_version_is_not_needed(tmp_path, rows):
    found = rows(machine(tmp_path, H100, driver=(12, 0), torch="12.9"))
    assert found["cuda:0"]["auto"]


@pytest.mark.parametrize(
    ("model", "torch", "advice"),
    [
        (RTX_5090, "12.6", "install torch for CUDA 12.8"),
        (RTX_5090, "11.8", "install torch for CUDA 12.8"),
        (RTX_5090, "12.8", None),
        (V100, "12.9", None),
        (GTX_1080, "12.8", "install torch for CUDA 12.6"),
        (GTX_1080, "12.6", None),
        (("NVIDIA Quadro K4000", 3, 0, GIB), "12.6", "use another GPU"),
    ],
)
def test_torch_is_built_for_some_gpus(tmp_path, rows, model, torch, advice):
    found = rows(machine(tmp_path, model, driver=(12, 9), torch=torch))["cuda:0"]
    assert found["advice"] == advice
    assert found["auto"] == (advice is None)


def test_auto_prefers_a_gpu_that_works(tmp_path, rows, plan):
    environment = machine(tmp_path, GTX_1080, H100, driver=(13, 0), torch="13.0")
    assert rows(environment)["cuda:1"]["auto"]
    assert plan(environment, "auto").stderr == ""


def test_graphs_need_a_gpu(tmp_path, plan):
    environment = machine(tmp_path, H100)
    for device in ("cuda+graphs", "auto+graphs", "cuda:0+compile+graphs", "cuda+graphs+compile"):
        done = plan(environment, device)
        assert (done.returncode, done.stderr) == (0, "")
    for device in ("cpu+graphs", "cpu+compile+graphs"):
        refused = plan(environment, device)
        assert refused.returncode == 2
        assert refused.stderr.splitlines() == [
            f"--device {device}: CUDA graphs need a CUDA device, not cpu - remove +graphs"
        ]
    assert plan(environment, "cuda+graphs+graphs").returncode == 2


def test_gpus_can_be_hidden(tmp_path, rows, plan):
    environment = machine(tmp_path, H100) | {"CUDA_VISIBLE_DEVICES": ""}
    assert list(rows(environment)) == ["cpu"]
    assert plan(environment, "auto").stderr == "", "who hides a GPU knows that it is not used"
    assert plan(environment, "cuda").returncode == 2


def test_the_number_of_a_gpu_is_checked(tmp_path, plan):
    environment = machine(tmp_path, H100, RTX_2080)
    for device in ("cuda", "cuda:0", "cuda:1"):
        assert plan(environment, device).returncode == 0
    refused = plan(environment, "cuda:2")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "--device cuda:2: there is no such device - use cuda:0 or cuda:1 or cpu"
    ]


A100 = ("NVIDIA A100", 8, 0, 40 * GIB)


@pytest.mark.parametrize(
    "device", ["cuda:0,cuda:1", " cuda:1 , cuda ", "cuda:all", "cuda:0, cuda:1,cuda:2"]
)
def test_a_list_of_gpus_changes_no_key(tmp_path, plan, device):
    environment = machine(tmp_path, H100, H100, H100)
    done = plan(environment, device)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == plan(environment, "cuda").stdout


KIND = "NVIDIA H100, compute capability 9.0"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            "cuda:0,cuda:3",
            f"cuda:0 ({KIND}) and cuda:3 (NVIDIA A100, compute capability 8.0) are of different "
            "kinds, and results depend on it - name GPUs of one kind",
        ),
        ("cuda:0, cuda:0", "cuda:0 is named twice - name each device once"),
        ("cuda,cuda:0", "cuda:0 is named twice - name each device once"),
        (
            "cuda:0,cpu",
            "cpu can't be used together with another device - name several GPUs, such as "
            "cuda:0,cuda:1, or one device",
        ),
        ("auto,cuda:1", "auto can't be used together with another device - name"),
        ("cuda:all,cuda:1", "cuda:all already means all GPUs - use cuda:all alone"),
        ("cuda:0,1", "unknown device '1' - use"),
        ("cuda:0,", "unknown device '' - use"),
        ("cuda:0+compile,cuda:1", "unknown device '+compile,cuda:1' - use"),
        (
            "cuda:0,cuda:1+compile",
            "+compile can only be used with one device - remove +compile, or name one device",
        ),
        (
            "cuda:0,cuda:1+graphs+compile",
            "+graphs+compile can only be used with one device - remove +graphs+compile, or name "
            "one device",
        ),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(tmp_path, plan, device, message):
    refused = plan(machine(tmp_path, H100, H100, H100, A100), device)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"--device {device}: {message}")


def test_a_list_is_checked_against_the_number_of_gpus(tmp_path, plan):
    refused = plan(machine(tmp_path, H100, H100), "cuda:1,cuda:2")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "--device cuda:2: there is no such device - use cuda:0 or cuda:1 or cpu"
    ]


def test_all_gpus_are_those_of_one_kind(tmp_path, plan, cli, rows):
    environment = machine(tmp_path, GTX_1080, H100, A100, H100, driver=(13, 0), torch="13.0")
    done = plan(environment, "cuda:all")
    assert done.returncode == 0, done.stderr
    old, other = done.stderr.splitlines()
    assert old.startswith(
        "warning: --device cuda:all: cuda:0 is not used: torch for CUDA 13.0 needs compute"
    )
    assert other == (
        "warning: --device cuda:all: cuda:2 is not used: it is of another kind (NVIDIA A100, "
        f"compute capability 8.0) than cuda:1 ({KIND}), and results depend on it - choose it with "
        "--device cuda:2"
    )
    assert [row["all"] for row in rows(environment).values()] == [False, True, False, True, False]
    lines = cli("devices", **environment).stdout.splitlines()
    assert "--device cuda:all uses cuda:1, cuda:3 at the same time" in lines


@pytest.mark.parametrize(
    ("gpus", "more", "message"),
    [
        ([], {}, "there is no such device - use cpu"),
        ([H100, H100], {"driver": (11, 4)}, OLD_DRIVER),
    ],
)
def test_all_gpus_need_at_least_one(tmp_path, plan, gpus, more, message):
    environment = machine(tmp_path, *(gpus or [H100]), **more)
    environment |= {} if gpus else {"CUDA_VISIBLE_DEVICES": ""}
    refused = plan(environment, "cuda:all")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"--device cuda:all: {message}")


def test_a_program_with_one_device_refuses_several(tmp_path, cli):
    """ComfyUI runs one node at a time."""
    module = "artgraph.runner.run.device_option"
    python = replace(cli, program=("-c", f"from {module} import *; numerics_for('cuda:all')"))
    done = python(**machine(tmp_path, H100, H100))
    assert done.stderr.splitlines()[-1].endswith(
        "--device cuda:all: only one device can be used here - name one device"
    )


def test_fewer_jobs_than_gpus_are_reported(tmp_path, cli):
    cli.write("g.yaml", "artgraph: 1\nnodes:\n  n: {node: text, with: {text: a}}\n")
    environment = machine(tmp_path, H100, H100)
    for jobs, lines in [
        ((), []),
        (("--jobs", 2), []),
        (
            ("--jobs", 1),
            [
                "warning: --jobs 1: not all of the 2 devices can be used at the same time - "
                "use --jobs 3"
            ],
        ),
    ]:
        done = cli("run", "g.yaml", "--device", "cuda:all", *jobs, **environment)
        assert done.stderr.splitlines()[: len(lines) + 1] == lines


def test_a_gpu_of_amd_is_called_cuda(tmp_path):
    """torch for ROCm calls it so, too. WSL has /dev/dxg for any maker's GPU."""
    torch = Torch("2.8.0+rocm6.4", hip="6.4.43482")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dxg").touch()
    assert gpus(torch, tmp_path) == []
    (tmp_path / "dev" / "kfd").touch()
    for number, units in enumerate((0, 256, 256, 304)):
        node = tmp_path / "sys/class/kfd/kfd/topology/nodes" / str(number)
        node.mkdir(parents=True)
        (node / "properties").write_text(f"cpu_cores_count 0\nsimd_count {units}\nmem_banks 1\n")
    found = gpus(torch, tmp_path)
    assert [(gpu.name, gpu.problem, gpu.free()) for gpu in found] == [
        ("cuda:0", None, None),
        ("cuda:1", None, None),
        ("cuda:2", None, None),
    ]
    assert found[0].kind == found[1].kind != found[2].kind


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac may have one")
def test_no_gpu_of_apple_elsewhere():
    with pytest.raises(GraphError, match="--device mps: there is no such device"):
        numerics_for("mps")
