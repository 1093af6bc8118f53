"""The hub as a child process on a port of its own choice, and tokens for it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

from foodtrack_websocket import mint_token

START_SECONDS_MAX = 30.0
PATIENCE_SECONDS = 60.0
SECRET = "a secret for tests of at least thirty-two bytes"
TENANT = "pizza-roma"
BINARY = os.environ.get("FOODTRACK_BINARY", str(Path(__file__).resolve().parents[3] / "target/debug/foodtrack-websocket"))


def service_token(tenant: str = TENANT, secret: str = SECRET) -> str:
    """A back end's token."""
    return mint_token(tenant, "gateway", "system", secret)


class Hub:
    """A hub with a data directory of its own, which can be killed and started again where it was."""

    def __init__(self, config: str = "", environment: dict[str, str] | None = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="foodtrack-python-"))
        self._config = self._directory / "hub.toml"
        self._config.write_text(config)
        self._environment = {**os.environ, "JWT_SECRET": SECRET, **(environment or {})}
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """On the port that it had before."""
        data = str(self._directory / "data")
        flags = ["--config", str(self._config), "--host", "127.0.0.1", "--port", str(self.port), "--data-dir", data]
        self._log = (self._directory / "log").open("a")
        self._child = subprocess.Popen(
            [BINARY, "serve", *flags], env=self._environment, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self._child.stdout is not None
        too_late = threading.Timer(START_SECONDS_MAX, self._child.kill)
        too_late.start()
        line = self._child.stdout.readline()
        too_late.cancel()
        match = re.search(r"listening on \S*?:(\d+)$", line.strip())
        assert match is not None, f"{BINARY} said {line!r}\n{(self._directory / 'log').read_text()}"
        self.port = int(match[1])

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """At once, as a crash would, unless told otherwise."""
        self._child.send_signal(how)
        self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self.kill()
        shutil.rmtree(self._directory)

    def run(self, *arguments: str) -> None:
        """A command of the same binary with the same configuration; it must succeed."""
        command = [BINARY, *arguments, "--config", str(self._config)]
        subprocess.run(command, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def get(self, path: str, tenant: str = TENANT) -> Any:
        """The whole answer of the HTTP API."""
        headers = {"Authorization": f"Bearer {service_token(tenant)}"}
        return httpx.get(self.url + path, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS).raise_for_status().json()

    def log(self, tenant: str = TENANT) -> list[dict[str, Any]]:
        """What the tenant accepted; what is younger than a quarter of a second may be missing."""
        entries: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = self.get(f"/api/v1/log?limit=1000{cursor}", tenant)
            entries += answer["data"]
            if answer.get("nextCursor") is None:
                return entries
            cursor = f"&cursor={answer['nextCursor']}"


_tenants = itertools.count(1)


def new_tenant() -> str:
    """A tenant that no other test knows."""
    return f"tenant-{next(_tenants)}"


def eventually(holds: Callable[[], bool], what: str = "it", seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until `holds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come to be within {seconds} s"
        time.sleep(0.02)
