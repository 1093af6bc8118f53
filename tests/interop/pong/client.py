"""One python-socketio client for python.test.mjs: handles `order` and reports each handler that finished."""

import asyncio
import json
import sys
import time
import urllib.request

import socketio

asked = json.loads(sys.argv[1])
WORK_S = asked["work_ms"] / 1000


def report():
    urllib.request.urlopen(f"{asked['url']}/finished?name={asked['name']}").read()


def handle(order, *_):
    time.sleep(WORK_S)
    report()


async def handle_async(order, *_):
    await asyncio.sleep(WORK_S)
    report()


def run_threads():
    client = socketio.Client(reconnection=False, handle_sigint=False)
    client.on("order", handle)
    client.connect(asked["url"], transports=asked["transports"])
    sys.stdin.read()
    client.disconnect()


async def run_asyncio():
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    client.on("order", handle_async if asked["client"] == "coroutine" else handle)
    await client.connect(asked["url"], transports=asked["transports"])
    await asyncio.to_thread(sys.stdin.read)
    await client.disconnect()


if asked["client"] == "thread":
    run_threads()
else:
    asyncio.run(run_asyncio())
