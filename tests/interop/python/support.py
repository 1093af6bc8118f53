"""The server under test, and tokens for it, for the Python clients."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SECRET = "interop-secret-that-is-longer-than-32-bytes"


def command_of(flags):
    if os.environ.get("INTEROP_TARGET") == "reference":
        return ["node", str(HERE.parent / "reference/clients.mjs"), *flags]
    binary = os.environ.get("CONFORMANCE_BIN", str(ROOT / "target/debug/conformance"))
    return [binary, "--mode", "clients", "--port", "0", "--secret", SECRET, *flags]


class Server:
    """Started on port 0; `url` is where it listens."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(
            command_of(flags),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "JWT_SECRET": SECRET},
        )
        for line in self.process.stdout:
            found = re.search(r"listening on (?:https?://)?(\S+)", line)
            if found:
                self.url = f"http://{found.group(1)}"
                return
        raise RuntimeError("the server ended before it listened")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def token(sub="python", secret=SECRET, **changes):
    now = int(time.time())
    claims = {
        "sub": sub,
        "userId": sub,
        "tenantId": "interop",
        "role": "kitchen_staff",
        "applicationTypes": ["kitchen_app"],
        "iat": now,
        "exp": now + 3600,
        **changes,
    }

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    head = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    mac = hmac.new(secret.encode(), head, hashlib.sha256).digest()
    return (head + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


# The Python client gives up on a poll body of more than 16 packets, whoever the server is.
MESSAGES_IN_FLIGHT_MAX = 12

WAYS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "polling_then_upgrade": ["polling", "websocket"],
}


def on_every_way(cls):
    """Repeats each `promise_...` method once per transport, as `test_..._over_WAY`."""
    for name in [name for name in dir(cls) if name.startswith("promise_")]:
        promise = getattr(cls, name)
        for way, transports in WAYS.items():

            def test(self, promise=promise, transports=transports):
                return promise(self, transports)

            if getattr(cls, "asynchronous", False):

                async def test(self, promise=promise, transports=transports):
                    await promise(self, transports)

            setattr(cls, f"test_{name.removeprefix('promise_')}_over_{way}", test)
    return cls
