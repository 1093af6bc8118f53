"""The examples of README.md, run as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from fake_ws import FakeHub
from foodtrack_websocket import Event, SyncPublisher
from hub import SECRET, Hub, eventually, service_token
from test_signed_requests import SECRET as WEBHOOK_SECRET
from test_signed_requests import webhook_to

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def example(title: str) -> str:
    """The program of a section."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert section is not None
    programs = re.findall(r"^```python\n(.*?)^```$", section[1], re.M | re.S)
    assert len(programs) == 1
    return str(programs[0])


class Program:
    """A program of its own process; what it prints."""

    def __init__(self, folder: Path, code: str, **environment: str) -> None:
        file = folder / "example.py"
        file.write_text(code)
        self.output = folder / "output"
        with self.output.open("w") as output:
            env = {**os.environ, **environment}
            self.process = subprocess.Popen(
                [sys.executable, str(file)], env=env, stdout=output, stderr=subprocess.STDOUT, cwd=folder
            )

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def run(folder: Path, title: str, hub: Hub) -> list[str]:
    """What an example prints that ends well by itself."""
    program = Program(folder, example(title), HUB_URL=hub.url, JWT_SECRET=SECRET)
    try:
        assert program.process.wait(30) == 0, program.lines()
    finally:
        program.stop()
    return program.lines()


def test_a_script_publishes(hub: Hub, tmp_path: Path) -> None:
    lines = run(tmp_path, "Publish from a script", hub)
    assert re.fullmatch(r"taken at \d+", lines[0])
    assert set(lines[1:]) == {"200 of 200", "payload_invalid /orderId"}
    again = run(tmp_path, "Publish from a script", hub)
    assert "200 of 200" in again
    low = [entry for entry in hub.log() if entry["event"] == "inventory:low_stock"]
    assert len(low) == 200


def test_a_program_on_asyncio_publishes(hub: Hub, tmp_path: Path) -> None:
    assert run(tmp_path, "Publish from asyncio", hub) == ["20 orders"]


def test_a_consumer_prints_each_ticket_once_though_it_is_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FakeHub() as hub:
            tickets: list[str] = []
            for at in range(3):
                program = Program(tmp_path, example("Consume"), HUB_URL=hub.url, JWT_SECRET=SECRET)
                try:
                    await hub.emit(2 * at, 2 * at + 1)
                    await hub.until(lambda: bool(hub.acks) and hub.acks[-1] == {"cursor": str(len(hub.log))})
                finally:
                    program.stop()
                tickets += program.lines()
            assert tickets == [f"ticket for {at}" for at in range(6)]
            assert [hello["deviceId"] for hello in hub.connects] == ["ticket-printer"] * 3

    asyncio.run(scenario())


def test_a_receiver_reads_what_the_hub_posts(tmp_path: Path) -> None:
    code = example("Webhooks and requests")
    program = Program(tmp_path, code, WEBHOOK_SECRET=WEBHOOK_SECRET, PORT="0")
    try:
        eventually(lambda: len(program.lines()) > 0, "the receiver")
        port = int(program.lines()[0].removeprefix("listening "))
        with Hub(webhook_to(port)) as hub, SyncPublisher(hub.url, service_token) as publisher:
            publisher.publish(Event("order:created", {"orderId": "42"}))
            eventually(lambda: "pizza-roma order:created 42" in program.lines(), "the delivery")
    finally:
        program.stop()


def test_the_examples_have_the_packages_types_and_style(tmp_path: Path) -> None:
    for at, code in enumerate(re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)):
        (tmp_path / f"example_{at}.py").write_text(code)
    for tool in (["mypy", "--strict", "--cache-dir", str(tmp_path)], ["ruff", "format", "--diff", "--line-length", "128"]):
        command = [sys.executable, "-m", *tool, *map(str, tmp_path.glob("*.py"))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
