"""artgraph's command line on the stand-in for a GPU, or for several: $STAND_IN_GPUS.

python tests/support/cli_on_stand_in.py run style_remix --device cuda+graphs
"""

from __future__ import annotations

import os
from pathlib import Path

from shorter import shorten
from stand_in_cuda import StandIn

from artgraph.cli import main
from artgraph.models.training.numerics import Numerics
from artgraph.runner.run import device_option, devices

if __name__ == "__main__":
    shorten()
    count = int(os.environ.get("STAND_IN_GPUS", "1"))
    gpus = [
        devices.Device("Stand-in", Numerics.of(f"cuda:{n}"), kind="stand-in") for n in range(count)
    ]
    devices.gpus = device_option.gpus = lambda: gpus  # without a look at the driver
    with StandIn(Path(__file__).parents[2], count):
        main.main()
