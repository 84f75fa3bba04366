"""Output that is closed, full, slow or oddly encoded: the run is the same, and no traceback."""

import json
import os
import pty
import shlex
import subprocess
import time

import pytest

from artgraph.cli.output import Outlet

GRAPH = """\
artgraph: 1
nodes:
  a: {node: noted, with: {value: 3}}
  f: {node: save_number, from: {value: a}}
"""
MANY = "artgraph: 1\nnodes:\n" + "".join(
    f"  n{i}: {{node: noted, with: {{value: {i}}}}}\n" for i in range(600)
)


@pytest.fixture
def shell(cli, pack):
    """Returns a function that runs a command line of bash in which $A is artgraph."""
    cli.write("g.yaml", GRAPH)
    artgraph = shlex.join(cli.command())

    def call(line, **environment):
        options = cli.options(PACK=str(pack), **environment)
        done = subprocess.run(
            ["bash", "-c", line.replace("$A", artgraph)], **options, errors="replace", check=False
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert "Errno" not in done.stdout + done.stderr
        return done

    return call


def manifest(cli):
    return json.loads((cli.folder / "out/g/manifest.json").read_text())


@pytest.mark.parametrize(
    ("where", "error"),
    [
        (">&-", ""),
        ("2>&-", None),
        (">&- 2>&-", None),
        (">&- 2>&- <&-", None),
        ("2>/dev/full", None),
        (">/dev/full", "output was lost: No space left on device - send it to another place\n"),
    ],
)
@pytest.mark.parametrize("options", ["", "--json", "--quiet"])
def test_a_run_does_not_need_its_output(cli, shell, where, error, options):
    done = shell(f"$A run g.yaml --pack $PACK {options} {where}")
    assert done.returncode == 0
    assert manifest(cli)["status"] == "done"
    if options == "--quiet" and error:
        error = ""  # nothing was written, so nothing is lost
    assert error is None or done.stderr == error


def test_files_do_not_get_what_is_printed(cli, shell):
    """If standard output is closed, a file that is opened must not take its number."""
    cli.write(
        "loud.py",
        "import os\nfrom artgraph.api import Text, node\n\n\n@node(title='Loud', category='test')\n"
        "def loud() -> Text:\n    '''Write to the standard output of the process.'''\n"
        "    os.write(1, b'loud' * 999)\n    return 'x'\n",
    )
    cli.write("g.yaml", "artgraph: 1\nnodes: {l: {node: loud}}\n")
    assert shell("$A run g.yaml --pack loud.py >&- 2>&-").returncode == 0
    found = [path for path in cli.folder.rglob("*") if path.is_file() and path.name != "loud.py"]
    assert not [path for path in found if b"loudloud" in path.read_bytes()]
    assert shell("$A cache verify").stdout.startswith("intact: 1 ")


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_reader_that_ends_does_not_end_the_run(cli, shell, options):
    cli.write("g.yaml", MANY)
    done = shell(f"$A run g.yaml --pack $PACK {options} | head -n 1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(manifest(cli)["nodes"]) == 600


@pytest.mark.parametrize(
    "words", ["validate g.yaml --pack $PACK", "plan g.yaml --pack $PACK --json", "nodes", "schema"]
)
def test_a_command_whose_output_is_lost_fails_in_one_line(shell, words):
    done = shell(f"$A {words} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == "output was lost: No space left on device - send it to another place\n"
    done = shell(f"$A {words} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")
    assert shell(f"$A {words} >&- 2>&-").returncode == 0


def test_the_exit_code_of_an_error_remains(shell):
    assert shell("$A validate nothing.yaml >/dev/full 2>/dev/full").returncode == 3
    assert shell("$A run g.yaml >&- 2>&-").returncode == 2, "without the pack"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16", "latin-1:strict"])
def test_names_that_the_encoding_lacks_are_escaped(cli, shell, encoding):
    cli.write("Bär Ω.yaml", GRAPH)
    done = shell("$A run 'Bär Ω.yaml' --pack $PACK", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    if encoding == "ascii":
        assert "see out/B\\xe4r \\u03a9" in done.stdout
    assert (cli.folder / "out/Bär Ω/manifest.json").is_file()


def test_nobody_reads_and_the_run_is_done_all_the_same(cli, pack):
    cli.write("g.yaml", MANY)
    process = cli.start("run", "g.yaml", "--pack", pack, "--json")
    deadline = time.monotonic() + 120
    while not (cli.folder / "out/g/manifest.json").exists():
        assert time.monotonic() < deadline, "the run waits for a reader"
        time.sleep(0.05)
    output, _ = process.communicate(timeout=60)
    ends = [json.loads(line)["event"] for line in output.splitlines()]
    assert process.returncode == 0
    assert (ends.count("finished"), ends[-1]) == (600, "run_finished"), "no result is dropped"


def test_a_stopped_terminal_does_not_stop_the_run(cli, pack):
    cli.write("g.yaml", MANY)
    ours, theirs = pty.openpty()
    options = cli.options(TERM="xterm") | {"stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(cli.command("run", "g.yaml", "--pack", pack), **options)
    os.close(theirs)
    deadline = time.monotonic() + 120
    while not (cli.folder / "out/g/manifest.json").exists():
        assert time.monotonic() < deadline, "the run waits for the terminal"
        time.sleep(0.05)
    shown = b""
    try:
        while data := os.read(ours, 65_536):
            shown += data
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    assert process.wait(60) == 0
    assert shown.count(b": done in") == 600
    os.close(ours)


@pytest.fixture
def pipe():
    """A pipe: the number of its end for reading, and an outlet into it."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as raw:
        yield reader, Outlet(raw)
        os.close(reader)


def test_what_nobody_reads_is_given_up_at_the_end(pipe):
    _, outlet = pipe
    for _ in range(40):
        assert outlet.write(b"x" * 4096) == 4096
    assert outlet.is_behind
    outlet.drain(patience=0.1)
    assert isinstance(outlet.lost, TimeoutError)
    assert not outlet.is_behind
    assert outlet.write(b"more") == 4


def test_a_pipe_that_was_set_not_to_block(pipe):
    """Other programs that share the pipe may set it so; then a write fails instead of waiting."""
    reader, outlet = pipe
    os.set_blocking(outlet.fileno(), False)
    for number in range(40):
        outlet.write(bytes([number]) * 4096)
    received = b""
    while len(received) < 40 * 4096:
        received += os.read(reader, 65_536)
    outlet.drain(patience=None)
    assert outlet.lost is None
    assert received == b"".join(bytes([number]) * 4096 for number in range(40))
