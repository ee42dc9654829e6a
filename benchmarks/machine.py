"""The machine a number was measured on: without it, the number says nothing."""

import os
import platform
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

QUIET = 0.1  # cores that other processes may take before a table says so

_STAT = Path("/proc/stat")


class Watch:
    """Notices, from its making on, what other processes take of the machine (Linux)."""

    def __init__(self):
        self._before = self._now()

    def cores_taken(self) -> float:
        """Cores that other processes kept busy, as a mean; 0 where the system does not say."""
        (then, before), (now, after) = self._before, self._now()
        return max(0.0, (after - before) / (now - then))

    def _now(self) -> tuple[float, float]:
        if not _STAT.exists():
            return time.monotonic(), 0.0
        user, nice, system, _, _, *rest = map(int, _STAT.read_text().split()[1:9])
        busy = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), busy - sum(os.times()[:4])


def title(what: str, watch: Watch, *packages: str) -> str:
    """What was measured, where, when, how quiet it was there, and with which packages."""
    import keras

    from spatialnet_keras.facts import machine

    here = machine()
    taken = watch.cores_taken()
    quiet = "quiet" if taken <= QUIET else f"NOT QUIET: others took {taken:.1f} cores"
    versions = [f"{package} {version(package)}" for package in ("keras", *packages)]
    return "\n".join(
        (
            what,
            ", ".join((here["processor"], f"{here['cores']} cores", *here["accelerators"], quiet)),
            f"{datetime.now():%Y-%m-%d}, {keras.config.backend()} backend, Python "
            f"{platform.python_version()}",
            ", ".join(versions),
        )
    )
