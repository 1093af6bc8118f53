"""Has the binary check each configuration that is in a file of this directory: the package's, each service's, each container's."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
SECRET = secrets.token_hex(32)
# Need files beside them.
WITH_A_FILE_OF_ITS_OWN = {"certificates", "profileTables"}


class Configuration(NamedTuple):
    """What somebody starts the hub with."""

    whose: str
    environment: dict[str, str]
    file: str | None


def filled_in(text: str) -> str:
    """A value of a compose file with its variables as they are without a word, and a secret where one is wanted."""
    text = re.sub(r"\$\{\w+:\?[^}]*\}", SECRET, text)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def of_compose(path: Path) -> Iterator[Configuration]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    for name, service in document["services"].items():
        if service.get("image") == "foodtrack-websocket":
            said = {key: filled_in(value) for key, value in service["environment"].items()}
            yield Configuration(f"{path.name}: {name}", said, None)


def of_kubernetes(path: Path) -> Iterator[Configuration]:
    documents = [it for it in yaml.safe_load_all(path.read_text()) if it]
    files = {it["metadata"]["name"]: it["data"] for it in documents if it["kind"] == "ConfigMap"}
    for document in documents:
        if document["kind"] not in ("Deployment", "StatefulSet"):
            continue
        pod = document["spec"]["template"]["spec"]
        mounted = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
        for container in pod["containers"]:
            said = {it["name"]: it["value"] for it in container["env"] if "value" in it}
            said = {key: value.replace("$(POD_NAME)", "pod").replace("$(POD_IP)", "10.0.0.9") for key, value in said.items()}
            for name in mounted:
                for file in files[name].values():
                    yield Configuration(f"{path.name}: {container['name']}", {"JWT_SECRET": SECRET} | said, file)


def sections_without_example(binary: str) -> set[str]:
    """The sections and tables that the hub knows and the example does not show."""
    done = subprocess.run([binary, "check-config", "--keys"], capture_output=True, text=True, check=True)
    keys = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    shown = tomllib.loads((HERE / "hub.example.toml").read_text())
    return {key.split(".")[0] for key in keys} - set(shown) - WITH_A_FILE_OF_ITS_OWN


def configurations() -> Iterator[Configuration]:
    yield Configuration("hub.example.toml", {"JWT_SECRET": SECRET}, (HERE / "hub.example.toml").read_text())
    yield Configuration("debian/hub.toml", {"JWT_SECRET": SECRET}, (HERE / "debian/hub.toml").read_text())
    for path in sorted((HERE / "compose").glob("*-node*.yaml")):
        yield from of_compose(path)
    for path in sorted((HERE / "kubernetes").glob("*.yaml")):
        yield from of_kubernetes(path)


def check(binary: str, configuration: Configuration) -> str | None:
    """What is wrong with it, if anything is."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        command = [binary, "check-config"]
        if configuration.file is not None:
            file.write(configuration.file)
            file.flush()
            command += ["--config", file.name]
        environment = configuration.environment | {"PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr


def main() -> int:
    binary = sys.argv[1]
    found = list(configurations())
    assert len(found) >= 7, "each file has its configuration"
    missing = sections_without_example(binary)
    for section in sorted(missing):
        print(f"hub.example.toml does not show {section}", file=sys.stderr)
    faults = len(missing)
    for configuration in found:
        if wrong := check(binary, configuration):
            faults += 1
            print(f"{configuration.whose}:\n{wrong}", file=sys.stderr)
    print(f"deploy: {len(found)} configurations, {faults} with faults")
    return 1 if faults else 0


sys.exit(main())
