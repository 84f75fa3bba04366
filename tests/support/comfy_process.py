"""A process that runs this repository as ComfyUI runs a node pack."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Comfy:
    """A running process of tests/support/comfy_stand_in.py."""

    def __init__(self, form, folder, cache):
        program = ROOT / "tests" / "support" / "comfy_stand_in.py"
        environment = {**os.environ, "ARTGRAPH_CACHE": str(cache), "ARTGRAPH_DEVICE": "cpu"}
        self.process = subprocess.Popen(
            [sys.executable, program, form, ROOT, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
        )
        self.start = self.answer()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def run(self, prompt, **more):
        return self.ask({"prompt": prompt, **more})

    def ask(self, task):
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def number_of(prompt, name):
    return next(n for n, node in prompt.items() if node["_meta"]["title"] == name)
