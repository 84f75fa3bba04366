"""`--no-skips`, by which .ci/run makes sure that a test was not left out in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(HERE), str(HERE / "support")])
SKIPPED = "import pytest\n\ndef test_it():\n    pytest.skip('a reason')\n"
FIXTURE = (
    "import pytest\n\n@pytest.fixture\ndef it():\n    pytest.skip('a reason')\n\n"
    "def test_it(it):\n    pass\n"
)
FILE = "import pytest\n\npytest.importorskip('nowhere', reason='a reason')\n"
GPU = "import pytest\n\n@pytest.mark.gpu\ndef test_it():\n    pytest.skip('a reason')\n"


def run(folder, text, *options):
    (folder / "test_it.py").write_text(text)
    words = [sys.executable, "-m", "pytest", "-p", "conftest", "-c", os.devnull, *options]
    return subprocess.run(
        [*words, "--rootdir", folder, folder],
        env=os.environ | {"PYTHONPATH": PATHS, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("text", [SKIPPED, FIXTURE, FILE], ids=["test", "fixture", "file"])
def test_a_skip_fails(tmp_path, text):
    assert run(tmp_path, text).returncode in (0, 5)  # 5: there is no other test
    done = run(tmp_path, text, "--no-skips")
    assert done.returncode in (1, 2)
    assert "a reason" in done.stdout


def test_a_gpu_may_be_missing(tmp_path):
    done = run(tmp_path, GPU, "--no-skips")
    assert (done.returncode, "1 skipped" in done.stdout) == (0, True)


def test_a_test_marked_gpu_may_not_skip_on_the_stand_in(tmp_path):
    done = run(tmp_path, GPU, "--no-skips", "--stand-in-gpu")
    assert (done.returncode, "1 failed" in done.stdout) == (1, True)
    assert "1 deselected" in run(tmp_path, SKIPPED, "--stand-in-gpu").stdout
