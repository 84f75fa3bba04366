"""Tasks for a cluster, without one: what a machine refuses, and what a node needs."""

import subprocess
import sys
from dataclasses import replace

import pytest
from clusters import Runner, chain

from artgraph.contract.errors import GraphError, NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.shards import add_places, place_of
from artgraph.models.training.numerics import Numerics
from artgraph.runner.cluster.resources import needs_of
from artgraph.runner.cluster.task import task_of
from artgraph.runner.cluster.work import perform


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def test_a_cache_that_the_machine_does_not_see(runner):
    job = runner.job(chain(1))
    task = task_of(job, ["n0"], {}, frozenset(), (), None)
    elsewhere = replace(task, place=task.place._replace(identity="another"))
    (outcome,) = perform(elsewhere, lambda messages: False)
    assert "does not see the cache" in str(outcome.outcome)
    job.store.close()


def test_a_machine_with_other_code_is_refused(runner):
    job = runner.job(chain(1))
    task = replace(task_of(job, ["n0"], {}, frozenset(), (), None), code="artgraph 0.0.1")
    (outcome,) = perform(task, lambda messages: False)
    job.store.close()
    assert isinstance(outcome.outcome, GraphError)
    assert "has other code" in str(outcome.outcome)
    assert "not artgraph 0.0.1" in str(outcome.outcome)


def test_without_ray_the_message_says_what_to_install(cli):
    cli.write("g.yaml", chain(2))
    program = "import sys; sys.modules['ray'] = None; from artgraph.cli.main import main; main()"
    command = [sys.executable, "-c", program, "run", "g.yaml", "--executor", "ray"]
    done = subprocess.run(command, **cli.options(), check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "--executor ray: Ray is not installed - run `pip install 'artgraph[ray]'`\n"
    )


def test_shards_in_a_folder_of_another_machine(tmp_path):
    add_places({"here": str(tmp_path), "far": "s3://bucket/folder", "there": f"{tmp_path}/there"})
    assert place_of("here") == str(tmp_path)
    assert place_of("far") == "s3://bucket/folder"
    with pytest.raises(NodeError, match="there with the shards is not on the machine"):
        place_of("there")


def test_a_training_gets_a_gpu_for_each_of_its_devices():
    spec = load_nodes()["train_gan"]
    cuda = Numerics.of("cuda")
    assert [needs_of(spec, devices, cuda)["num_gpus"] for devices in (1, 4)] == [1, 4]
    assert needs_of(replace(spec, gpus=0.5), 4, cuda)["num_gpus"] == 0.5
    assert needs_of(load_nodes()["math"], 1, cuda)["num_gpus"] == 0
