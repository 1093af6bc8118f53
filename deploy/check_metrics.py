"""Looks whether each metric that an alert or Grafana's dashboard names is on the page of a hub that runs."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml

HERE = Path(__file__).parent
NAME = re.compile(r"\b(?:foodtrack|process)_\w+")
# They are there once a hub has what they are about.
OF_SOME_HUBS = {"foodtrack_upstream_away", "foodtrack_webhook_receiver_away", "foodtrack_webhook_dead_letters_total"}


def expressions() -> Iterator[str]:
    rules = yaml.safe_load((HERE / "prometheus/alerts.yaml").read_text())
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads((HERE / "grafana/hub.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def page(binary: str) -> str:
    """The page of metrics of a hub that has just begun."""
    environment = {"PATH": os.environ["PATH"], "JWT_SECRET": secrets.token_hex(32)}
    with (
        tempfile.TemporaryDirectory() as data,
        subprocess.Popen(
            [binary, "serve", "--data-dir", data, "--host", "127.0.0.1", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as hub,
    ):
        try:
            assert hub.stdout is not None
            address = hub.stdout.readline().strip().removeprefix("listening on ")
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                return answer.read().decode()
        finally:
            hub.terminate()


def main() -> int:
    named = {name for expression in expressions() for name in NAME.findall(expression)} - OF_SOME_HUBS
    there = set(NAME.findall(page(sys.argv[1])))
    missing = sorted(named - there)
    for name in missing:
        print(f"no hub has the metric {name}", file=sys.stderr)
    runbooks = (HERE.parent / "docs/operating/alerts.md").read_text()
    rules = yaml.safe_load((HERE / "prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
    unexplained = [rule["alert"] for rule in rules if f"\n## {rule['alert']}\n" not in runbooks]
    for alert in unexplained:
        print(f"docs/operating/alerts.md does not explain {alert}", file=sys.stderr)
    print(f"deploy: {len(named)} metrics are named and {len(missing)} are missing, {len(rules)} alerts, {len(unexplained)} without a page")
    return 1 if missing or unexplained else 0


sys.exit(main())
