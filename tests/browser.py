"""A real browser for tests: headless Chromium, spoken to through its debugging pipe."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--remote-debugging-pipe --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
).split()
# All text of a page, that inside shadow roots and frames, too: TensorBoard has both.
TEXT = """
(() => {
  const seen = [];
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE && node.data.trim()) seen.push(node.data.trim());
    if (["SCRIPT", "STYLE", "TEMPLATE"].includes(node.nodeName)) return;
    if (node.shadowRoot) walk(node.shadowRoot);
    if (node.nodeName === "IFRAME") {
      try { walk(node.contentDocument.body); } catch (error) { return; }
    }
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return seen.join("\\n");
})()
"""


class Browser:
    """One page of a browser.

    Args:
        process: Chromium.
        send: File that it reads commands from.
        receive: File that it writes answers to.
    """

    def __init__(self, process: subprocess.Popen, send: int, receive: int):
        self.process = process
        self.send, self.receive = send, receive
        self.number, self.rest, self.session = 0, b"", {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}

    def call(self, method: str, **parameters):
        """Sends a command of the DevTools protocol and waits for its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters} | self.session
        os.write(self.send, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                chunk = os.read(self.receive, 1 << 20)
                if not chunk:
                    raise RuntimeError("Chromium has ended.")
                self.rest += chunk
            answer, _, self.rest = self.rest.partition(b"\0")
            answer = json.loads(answer)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url: str, width: int = 1400, height: int = 1000) -> None:
        """Goes to a page."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.call("Page.navigate", url="about:blank")  # else a change after # loads nothing
        self.call("Page.navigate", url=url)

    def evaluate(self, code: str):
        """The value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        return answer["result"].get("value")

    def text(self) -> str:
        """All that the page says."""
        return self.evaluate(TEXT) or ""

    def wait_for(self, *words: str, seconds: float = 60) -> str:
        """The text of the page, once all words are in it."""
        deadline = time.monotonic() + seconds
        while not all(word in (said := self.text()) for word in words):
            if time.monotonic() > deadline:
                missing = [word for word in words if word not in said]
                raise AssertionError(f"The page never said {missing}. It says: {said[:3000]}")
            time.sleep(0.5)
        return said

    def screenshot(self, path: Path) -> None:
        """Saves what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Starts Chromium with an empty profile; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no chromium on this machine")
    from_us, send = os.pipe()
    receive, to_us = os.pipe()

    def as_files_3_and_4() -> None:
        # first out of the way: one of them may be 3 or 4 itself
        high = [os.dup2(each, 20 + place) for place, each in enumerate((from_us, to_us))]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=as_files_3_and_4, close_fds=False,
    )  # fmt: skip
    os.close(from_us)
    os.close(to_us)
    try:
        yield Browser(process, send, receive)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(send)
        os.close(receive)
