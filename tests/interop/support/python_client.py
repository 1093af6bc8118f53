"""The other half of python_client.mjs: prints each event as a line of JSON."""

import asyncio
import json
import sys
import threading

import socketio

asked = json.loads(sys.argv[1])
OPTIONS = {"reconnection": asked["reconnects"], "handle_sigint": False, "reconnection_delay": 0.1, "reconnection_delay_max": 0.3}
printing = threading.Lock()


def say(event, *args):
    with printing:
        print(json.dumps({"event": event, "args": args}), flush=True)


def run_threads():
    client = socketio.Client(**OPTIONS)
    client.on("connect", lambda: say("connect"))
    client.on("disconnect", lambda *reason: say("disconnect", *reason))
    client.on("*", say)
    client.connect(asked["url"], auth=asked["auth"], transports=asked["transports"])
    sys.stdin.read()


async def run_asyncio():
    client = socketio.AsyncClient(**OPTIONS)

    async def hear(event, *args):
        say(event, *args)

    client.on("connect", lambda: say("connect"))
    client.on("disconnect", lambda *reason: say("disconnect", *reason))
    client.on("*", hear)
    await client.connect(asked["url"], auth=asked["auth"], transports=asked["transports"])
    await asyncio.to_thread(sys.stdin.read)


if asked["client"] == "thread":
    run_threads()
else:
    asyncio.run(run_asyncio())
