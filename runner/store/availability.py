"""Whether the remote cache is used now: a run never fails and never waits long because of it.

The first failure is reported, in one line that also says what is not shared. After one that may
pass, such as an interrupted connection, the remote cache is tried again each minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...contract.quantities import counted
from .remote_files import RemoteError

RETRY_SECONDS = 60.0  # until the remote cache is tried again after a failure
PATIENCE_SECONDS = 60.0  # for which a run may wait for results that turn out not to be there
_PATIENCE_SHARE = 0.1  # more of the time since the start for which it may wait for them


class Availability:
    """What is known about the remote cache at `url`; its methods are safe for threads."""

    def __init__(self, url: str, warn: Callable[[str], None]) -> None:
        self._url, self._warn = url, warn
        self._mutex = threading.Lock()
        self._began = time.monotonic()
        self._paused_until = 0.0
        self._reads = self._writes = True
        self._has_warned = False
        self._wasted = self._saved = 0.0

    @property
    def reads(self) -> bool:
        """Whether results may be read now."""
        return self._reads and not self.is_paused

    @property
    def writes(self) -> bool:
        """Whether uploads are of any use; if so, they may have to wait (`is_paused`)."""
        return self._writes

    @property
    def is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._began

    def failed(self, error: RemoteError, writing: bool) -> None:
        """Draw the consequences of an error, and report the first one."""
        if error.kind == "passing":
            self._paused_until = time.monotonic() + RETRY_SECONDS
            self._say(
                f"does not work now ({error.reason}): the run continues, and results and trainings"
                " that cannot be uploaded are only in the local cache - the next run with this"
                " address uploads them"
            )
        elif error.kind == "full" or (error.kind == "denied" and writing):
            self._writes = False
            advice = (
                f"free space with `artgraph cache gc --remote {self._url}`, and run again"
                if error.kind == "full"
                else "allow yourself to write there to share them"
            )
            self._say(
                f"can't be written ({error.reason}): it is only read, and what this run computes"
                f" is only in the local cache - {advice}"
            )
        else:
            self._reads = False
            self._writes = self._writes and error.kind == "denied"
            self._say(
                f"can't be used ({error.reason}): the run continues with the local cache alone -"
                " check the address and your credentials (docs/scale.md)"
            )

    def asked(self, seconds: float, saved: float | None) -> None:
        """Count the time of a look-up, and the seconds that its result saved if there was one."""
        with self._mutex:
            if saved is None:
                self._wasted += seconds
            else:
                self._saved += saved
            allowed = PATIENCE_SECONDS + _PATIENCE_SHARE * self.seconds + self._saved
            if self._wasted <= allowed or not self._reads:
                return
            self._reads = False
        self._say(
            f"is too slow: {self._wasted:.0f} s were spent on results that are not there - results"
            " are computed here, and uploaded in the background"
        )

    def left(self, count: int) -> None:
        """Report uploads that were not done, unless a failure was reported, which says the same."""
        if count and self._writes:
            self._say(
                f"is slow: {counted(count, 'upload')} did not end in time and"
                f" {'is' if count == 1 else 'are'} only in the local cache - the next run with this"
                " address uploads them"
            )

    def waiting(self, count: int) -> None:
        """Report that the process ends later because of uploads."""
        if not self.is_paused:
            self._warn(
                f"{counted(count, 'upload')} to the remote cache {self._url} must still end - wait,"
                " or press Ctrl-C to leave the rest to the next run"
            )

    def _say(self, what: str) -> None:
        with self._mutex:
            if self._has_warned:
                return
            self._has_warned = True
        self._warn(f"the remote cache {self._url} {what}")
