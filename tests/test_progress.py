"""The bar of what takes long: drawn on a terminal, a line now and then in a log file."""

import os
import pty
import subprocess
import sys
import termios

PROGRAM = """
from unittest import mock
from pipelines.commands import progress
clock = [0.0]
with mock.patch("tqdm.std.time", lambda: clock[0]):
    with progress({total}, "Features", "image") as bar:
        for _ in range({total}):
            clock[0] += 1
            bar.update()
"""


def written(total: int, terminal: bool) -> str:
    """What a process leaves on its stderr that makes one image a second."""
    parent, child = pty.openpty() if terminal else os.pipe()
    if terminal:
        termios.tcsetwinsize(child, (24, 80))
    command = [sys.executable, "-c", PROGRAM.format(total=total)]
    with subprocess.Popen(command, stderr=child) as process:
        os.close(child)
        said = b""
        while True:
            try:
                if not (part := os.read(parent, 4096)):
                    break
            except OSError:  # how a terminal ends
                break
            said += part
    assert process.returncode == 0, said.decode()
    return said.decode()


def test_a_log_file_gets_a_line_every_half_minute():
    said = written(100, terminal=False)
    assert "\r" not in said
    lines = said.splitlines()
    assert 3 <= len(lines) <= 5
    assert all(line.startswith("Features: ") for line in lines)
    assert "100/100" in lines[-1]


def test_a_terminal_gets_one_bar_that_is_drawn_over():
    assert written(100, terminal=True).count("\r") > 50


def test_a_short_wait_says_nothing():
    assert written(1, terminal=False) == ""
