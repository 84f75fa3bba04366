"""artgraph's command line on the stand-in for a GPU.

python tests/support/cli_on_stand_in.py run style_remix --device cuda
"""

from __future__ import annotations

from pathlib import Path

from stand_in_cuda import StandIn

from artgraph.cli import main
from artgraph.models.training.numerics import Numerics
from artgraph.runner.run import devices

if __name__ == "__main__":
    devices.numerics_for = Numerics.of  # without a look at the driver
    with StandIn(Path(__file__).parents[2]):
        main.main()
