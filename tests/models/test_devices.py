"""A training in several processes does the same steps as in one, and survives their loss."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crews import TRAININGS, members, observed, trained
from gans import assert_same
from shelf import Shelf, training_run

from artgraph.contract.errors import Cancelled
from artgraph.contract.registry import load_nodes
from artgraph.models.training import parallel
from artgraph.models.training.diverged import UnsuitableError
from artgraph.runner.store.keys import make_key

pytestmark = pytest.mark.filterwarnings("ignore:out of memory, or so")
COUNT = 3  # parts of 16 or 8 pictures are not equal then


@pytest.fixture(scope="module")
def seen():
    """What was seen in the first step of each training: in one process, and in several."""
    names = [*TRAININGS]
    alone = observed(training_run(), names)
    return alone, observed(replace(training_run(), devices=COUNT), names)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_sees_the_same_pictures_and_has_the_same_gradients(seen, name):
    alone, together = (each[name] for each in seen)
    assert together.same
    if "slices" not in name:
        assert len(together.pictures) == len(alone.pictures)
        if name != "classic VAE":
            assert alone.pictures
        for a, b in zip(alone.pictures, together.pictures, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert len(together.gradients) == len(alone.gradients) > 0
    for a, b in zip(alone.gradients, together.gradients, strict=True):
        assert (a - b).norm() < 1e-4 * a.norm()
    assert alone.curves.keys() == together.curves.keys()
    for metric, values in alone.curves.items():
        assert values == pytest.approx(together.curves[metric], rel=1e-4), metric


def run_on(devices, shelf=None, **reports):
    return replace(training_run(shelf, **reports), devices=devices)


class At:
    """Progress that calls `act` at a step, once."""

    def __init__(self, step, act):
        self.step, self.act, self.steps, self.previews = step, act, [], []

    def __call__(self, done, total, preview=None):
        if self.steps[-1:] == [done] and preview is None:  # it is repeated while nothing happens
            return
        self.steps.append(done)
        self.previews.append(preview)
        if done == self.step and self.act is not None:
            act, self.act = self.act, None
            act()


def kill(*numbers):
    def act():
        processes = members(os.getpid())
        for number in numbers:
            os.kill(processes[number], signal.SIGKILL)

    return act


@pytest.mark.parametrize("number", [0, 1])
def test_if_a_process_is_killed_the_training_continues_with_the_rest(number):
    shelf, progress, lines = Shelf(), At(4, kill(number)), []
    done = trained(run_on(2, shelf, progress=progress, warn=lines.append), 6)
    # A process that is not the first may be lost before or after the checkpoint of that step.
    step = 4 if number == 1 and "from step 4" in lines[0] else 3
    assert progress.steps == [1, 2, 3, 4, *range(step + 1, 7)], "from the last checkpoint"
    assert lines == [
        f"process {number + 1} of 2 of the training was ended by signal 9 (perhaps for lack of"
        f" memory); the training continued from step {step} on 1 device, so its bits are not those"
        " of 2 devices - to have those, run this node again with --force"
    ]
    second = Shelf()
    second.states = {step: shelf.states[step]}
    assert_same(trained(run_on(1, second), 6).state, done.state)
    assert not members(os.getpid())


def test_if_all_processes_are_killed_the_error_says_so_in_a_line():
    with pytest.raises(UnsuitableError) as caught:
        trained(run_on(2, Shelf(), progress=At(3, kill(0, 1))), 6)
    assert str(caught.value) == (
        "all 2 processes of the training were lost; the last one was ended by signal 9 (perhaps for"
        " lack of memory)"
    )
    assert caught.value.advice == (
        "run it again, perhaps with a smaller `batch` or fewer `devices`: it continues from step 2"
    )


def test_a_cancelled_training_is_saved_and_resumes_to_the_same_bits():
    def stop():
        raise Cancelled

    shelf, log, progress = Shelf(), [], At(0, None)
    with pytest.raises(Cancelled):
        trained(run_on(2, shelf, progress=At(3, stop)), 5)
    assert max(shelf.states) == 3
    assert not members(os.getpid())
    resumed = trained(run_on(2, shelf), 5)
    with pytest.warns(UserWarning, match="out of memory, or so"):
        straight = trained(run_on(2, progress=progress, log=log.append), 5)
    assert log == ["it begins"], "by one process"
    assert_same(resumed.state, straight.state)
    assert resumed.curves == straight.curves
    assert progress.steps == [1, 2, 3, 4, 5]
    assert progress.previews[-1]().dtype == torch.uint8, "also when it is over"


def test_previews_and_curves_arrive_while_it_trains():
    found = []

    def look(done, total, preview=None):
        if done == 11:
            found.extend([preview().shape[1:], preview.metrics(), preview.curves(0)])

    trained(run_on(2, progress=look), 12, batch=4)
    shape, metrics, curves = found
    assert shape == (32, 32, 3)
    assert metrics["step"] == 10
    assert curves["step"] == [10]


def test_an_error_is_the_same_as_in_one_process():
    with pytest.raises(UnsuitableError) as caught:
        trained(run_on(2), 1, "VAE", keep_latents=True)
    assert str(caught.value) == "`keep_latents` is not possible without a VAE to start from"
    assert "wire `start`" in caught.value.advice
    assert "in train_vae" in caught.value.__notes__[0]
    with pytest.raises(UnsuitableError, match="only 2 pictures can be divided among them"):
        trained(run_on(3), 1, batch=2)


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from dataclasses import replace
from pathlib import Path
from crews import trained
from shelf import training_run
if __name__ == "__main__":
    run = training_run(progress=lambda done, *_: print(done, flush=True))
    trained(replace(run, devices=2, temporary=Path({folder!r})), 10**6)
"""


def test_the_processes_end_if_the_process_of_the_run_is_killed(tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "temporary"
    folder.mkdir()
    paths = [p for p in sys.path if p]
    script.write_text(SCRIPT.format(paths=paths, folder=str(folder)))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"1\n"
        started = members(process.pid)
        assert len(started) == 2
        assert len([*folder.iterdir()]) == 1
        process.kill()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{number}").exists() for number in started) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [number for number in started if Path(f"/proc/{number}/exe").exists()]
    assert not [*folder.iterdir()], "nobody else would remove it"


def test_more_devices_than_cores_are_warned_of(monkeypatch):
    monkeypatch.setattr(parallel, "core_count", lambda: 1)
    lines = []
    trained(run_on(2, warn=lines.append), 1)
    assert lines == [
        "devices is 2, but there is only 1 core: set devices to at most 1, since more processes"
        " than cores make a training slower"
    ]


@pytest.mark.parametrize("device", ["cpu+compile", "mps"])
def test_what_can_only_use_one_device(device):
    numerics = replace(
        training_run().numerics, device=device.split("+")[0], compiled="compile" in device
    )
    with pytest.raises(UnsuitableError, match="devices is 2, but") as caught:
        trained(replace(run_on(2), numerics=numerics), 1)
    assert "1" in caught.value.advice


@pytest.mark.gpu
def test_too_few_gpus(cuda):
    there = torch.cuda.device_count()
    with pytest.raises(UnsuitableError, match=rf"devices is {there + 1}, but there .* {there} GPU"):
        trained(replace(run_on(there + 1), numerics=cuda), 1)


@pytest.mark.gpu(stand_in=False)  # which is not in child processes
def test_two_gpus_do_the_steps_of_one(two_gpus):
    names = [*TRAININGS]
    run = replace(training_run(), numerics=replace(two_gpus[0], precision="float32"))
    alone, together = observed(run, names), observed(replace(run, devices=2), names)
    for name in names:
        assert together[name].same, name
        for a, b in zip(alone[name].gradients, together[name].gradients, strict=True):
            assert (a - b).norm() < 1e-3 * a.norm(), name


@pytest.mark.parametrize("name", ["train_gan", "train_vae", "train_classifier"])
def test_the_number_of_devices_is_part_of_the_key_unless_it_is_1(name):
    spec = load_nodes()[name]
    values, problems = spec.check({})
    assert not problems
    assert spec.devices == "devices"
    without = {key: value for key, value in values.items() if key != "devices"}
    keys = [
        make_key(spec, widgets, {}, lambda *_: "", training_run().numerics)
        for widgets in (without, values, without | {"devices": 2}, without | {"devices": 3})
    ]
    assert keys[0] == keys[1]
    assert len({key.digest for key in keys}) == len({key.training for key in keys}) == 3
