"""Training as a cached node: killed, extended, shortened, interrupted."""

import json
import signal
import subprocess
import time

import pytest
from runs import last

GRAPH = """
artgraph: 1
knobs: {steps: 100, pause: 0}
nodes:
  t: {node: slow_training, from: {steps: knobs.steps, pause: knobs.pause}}
"""


def train(cli, pack, *settings, cache="cache", notes=None, code=0):
    words = [word for setting in settings for word in ("--set", setting)]
    environment = {"NOTES": str(cli.folder / notes)} if notes else {}
    done = cli("run", "g.yaml", "--pack", pack, "--json", "--cache", cache, *words, **environment)
    assert done.returncode == code, done.stderr
    return last(done.stdout)


def test_extending_equals_one_long_run(cli, pack):
    cli.write("g.yaml", GRAPH)
    train(cli, pack, "knobs.steps=63")
    extended, end = train(cli, pack, "knobs.steps=100", notes="notes")
    assert (end["extended"], end["ran"]) == (1, 0)
    assert (cli.folder / "notes").read_text().split("\n")[0] == "step 63"
    straight, end = train(cli, pack, "knobs.steps=100", cache="other")
    assert end["ran"] == 1
    assert extended == straight
    short, end = train(cli, pack, "knobs.steps=80", notes="shorter")
    assert (cli.folder / "shorter").read_text().split("\n")[0] == "step 63"
    assert short == train(cli, pack, "knobs.steps=80", cache="third")[0]


def test_force_trains_anew(cli, pack):
    cli.write("g.yaml", GRAPH)
    first, _ = train(cli, pack, "knobs.steps=20")
    done = cli(
        "run",
        "g.yaml",
        "--pack",
        pack,
        "--json",
        "--force",
        "t",
        "--set",
        "knobs.steps=20",
        NOTES=str(cli.folder / "notes"),
    )
    assert (cli.folder / "notes").read_text().count("step") == 20
    assert last(done.stdout)[0] == first


def wait_for_steps(cli, count):
    notes = cli.folder / "notes"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if notes.exists() and notes.read_text().count("\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError("the training did not start")


def test_killed_training_goes_on_to_the_same_bits(cli, pack):
    cli.write("g.yaml", GRAPH)
    pause = "knobs.pause=0.01"
    words = ["run", "g.yaml", "--pack", pack, "--json", "--set", pause]
    process = cli.start(*words, NOTES=str(cli.folder / "notes"))
    wait_for_steps(cli, 40)
    process.kill()
    process.communicate()
    resumed, end = train(cli, pack, pause, notes="resumed")
    assert end["extended"] == 1
    assert int((cli.folder / "resumed").read_text().split("\n")[0].split()[1]) > 10
    assert resumed == train(cli, pack, pause, cache="other")[0]
    assert not list((cli.folder / "cache/tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_keeps_a_checkpoint(cli, pack, number):
    cli.write("g.yaml", GRAPH)
    words = ["run", "g.yaml", "--pack", pack, "--json", "--set", "knobs.pause=0.02"]
    process = cli.start(*words, NOTES=str(cli.folder / "notes"))
    wait_for_steps(cli, 30)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.startswith("stopping at the next step; ")
    assert json.loads((cli.folder / "out/g/manifest.json").read_text())["status"] == "interrupted"
    assert json.loads(output.splitlines()[-1])["status"] == "interrupted"
    done = (cli.folder / "notes").read_text().count("\n")
    resumed, _ = train(cli, pack, "knobs.pause=0.02", notes="resumed")
    assert (cli.folder / "resumed").read_text().split("\n")[0] == f"step {done}"
    assert resumed == train(cli, pack, "knobs.pause=0.02", cache="other")[0]


def test_nohup_outlives_its_terminal(cli, pack):
    cli.write("g.yaml", GRAPH)
    words = cli.command("run", "g.yaml", "--pack", pack, "--set", "knobs.pause=0.01", "--quiet")
    options = cli.options(NOTES=str(cli.folder / "notes")) | {"stdin": subprocess.DEVNULL}
    process = subprocess.Popen(["nohup", *words], **options)
    wait_for_steps(cli, 30)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_signal_ends_a_whole_sweep(cli, pack):
    cli.write("g.yaml", GRAPH)
    words = ["sweep", "g.yaml", "--pack", pack, "--set", "knobs.pause=0.02,0.03", "--json"]
    process = cli.start(*words, NOTES=str(cli.folder / "notes"))
    wait_for_steps(cli, 30)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [json.loads(line)["event"] for line in output.splitlines()].count("combination") == 1


def test_a_run_says_for_which_process_it_waits(cli, pack):
    cli.write("g.yaml", GRAPH)
    words = ["run", "g.yaml", "--pack", pack, "--json", "--set", "knobs.pause=0.02"]
    first = cli.start(*words, NOTES=str(cli.folder / "notes"))
    wait_for_steps(cli, 10)
    first.send_signal(signal.SIGSTOP)
    second = cli.start(*words)
    events = map(json.loads, second.stdout)
    event = next(event for event in events if event["event"] == "waiting")
    first.kill()
    assert (event["node"], event["process"]) == ("t", first.pid)
    assert event["label"] == "node 't' of g.yaml"
    assert f"which is stopped - continue it with `kill -CONT {first.pid}`" in event["message"]
    first.communicate()
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, "the lock of a killed process is free"
    assert '"waiting"' not in output, "said once"


def test_two_processes_train_once(cli, pack):
    cli.write("g.yaml", GRAPH)
    words = ["run", "g.yaml", "--pack", pack, "--json", "--set", "knobs.pause=0.01"]
    notes = str(cli.folder / "notes")
    processes = [cli.start(*words, NOTES=notes) for _ in range(3)]
    ends = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    assert sorted(end["ran"] for end in ends) == [0, 0, 1]
    assert (cli.folder / "notes").read_text().count("step") == 100


def test_plan_tells_of_the_extension(cli, pack):
    cli.write("g.yaml", GRAPH)
    train(cli, pack, "knobs.steps=30")
    done = cli("plan", "g.yaml", "--pack", pack, "--json")
    (row,) = json.loads(done.stdout)
    assert (row["action"], row["from_step"]) == ("extend", 30)
    done = cli("plan", "g.yaml", "--pack", pack, "--set", "t.rate=0.2")
    assert "rate was 0.1, is now 0.2" in done.stdout


def test_plan_tells_of_a_training_in_the_remote_cache(cli, pack):
    cli.write("g.yaml", GRAPH)
    words = ("g.yaml", "--pack", pack, "--json", "--cache-remote", "shared")
    assert cli("run", *words, "--set", "knobs.steps=30").returncode == 0
    for steps, expected in ((100, 30), (20, None)):
        more = ("--cache", f"fresh_{steps}", "--set", f"knobs.steps={steps}")
        (row,) = json.loads(cli("plan", *words, *more).stdout)
        assert row["from_step"] == expected
        end = last(cli("run", *words, *more).stdout)[1]
        assert end["extended"] == (expected is not None)
