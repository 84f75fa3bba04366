"""The signals that ask a process to end."""

from __future__ import annotations

import signal

# Ctrl-C, `kill`, the end of the terminal, and Ctrl-Break on Windows
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def ending_signals() -> list[signal.Signals]:
    """Returns the signals that end a process on this system, except a SIGHUP that is ignored.

    `nohup` ignores SIGHUP, so that a process outlives its terminal.
    """
    found = [number for name in _NAMES if (number := getattr(signal, name, None)) is not None]
    return [
        number
        for number in found
        if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN
    ]
