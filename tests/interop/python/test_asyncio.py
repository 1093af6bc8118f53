"""python-socketio, the asyncio client."""

import asyncio
import unittest

import socketio

from support import MESSAGES_IN_FLIGHT_MAX, Server, on_every_way, token

PATIENCE_S = 5
ORDER = {"orderId": "42", "items": [{"name": "brûlée", "n": 2}], "note": None, "寿司": "🍕"}


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


@on_every_way
class AsyncioClient(unittest.IsolatedAsyncioTestCase):
    asynchronous = True

    async def connect(self, transports, auth=None):
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.addAsyncCleanup(client.disconnect)
        inbox = asyncio.Queue()

        async def keep(*args):
            await inbox.put(args)

        client.on("message-back", keep)
        client.on("news", keep)
        auth = {"token": token()} if auth is None else auth
        await client.connect(server.url, auth=auth, transports=transports, wait_timeout=PATIENCE_S)
        return client, inbox

    async def promise_a_client_connects_and_learns_who_it_is(self, transports):
        client, _ = await self.connect(transports, auth={"token": token("paolo")})
        me = await client.call("whoami", timeout=PATIENCE_S)
        self.assertEqual((me["sub"], me["id"]), ("paolo", client.get_sid()))

    async def promise_a_client_without_a_token_is_refused_and_told_why(self, transports):
        refused = asyncio.get_running_loop().create_future()
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.addAsyncCleanup(client.disconnect)
        client.on("connect_error", lambda data: refused.set_result(data))
        with self.assertRaises(socketio.exceptions.ConnectionError):
            await client.connect(server.url, auth={}, transports=transports, wait_timeout=PATIENCE_S)
        self.assertEqual((await asyncio.wait_for(refused, PATIENCE_S))["data"]["code"], "token_missing")

    async def promise_both_sides_acknowledge(self, transports):
        client, _ = await self.connect(transports)
        self.assertEqual(await client.call("message-with-ack", ORDER, timeout=PATIENCE_S), ORDER)
        client.on("question", lambda payload, *rest: (payload, "yes"))
        self.assertEqual(await client.call("ask-me", ORDER, timeout=PATIENCE_S), [ORDER, "yes"])

    async def promise_bytes_travel_both_ways(self, transports):
        client, inbox = await self.connect(transports)
        sent = {"photo": bytes(range(256)), "list": [{"raw": b"\x00" * 3000}, "text"]}
        await client.emit("message", (sent, b"last"))
        back = await asyncio.wait_for(inbox.get(), PATIENCE_S)
        self.assertEqual(back[:2], (sent, b"last"))

    async def promise_messages_come_back_in_order(self, transports):
        client, inbox = await self.connect(transports)
        for start in range(0, 300, MESSAGES_IN_FLIGHT_MAX):
            sent = list(range(start, start + MESSAGES_IN_FLIGHT_MAX))
            for i in sent:
                await client.emit("message", i)
            got = [(await asyncio.wait_for(inbox.get(), PATIENCE_S))[0] for _ in sent]
            self.assertEqual(got, sent)

    async def promise_a_room_reaches_its_members(self, transports):
        first, first_inbox = await self.connect(transports)
        second, second_inbox = await self.connect(transports)
        for client in (first, second):
            await client.call("join", "r", timeout=PATIENCE_S)
        await first.call("publish-others", ("r", "news", "hello"), timeout=PATIENCE_S)
        self.assertEqual((await asyncio.wait_for(second_inbox.get(), PATIENCE_S))[0], "hello")
        self.assertTrue(first_inbox.empty())


if __name__ == "__main__":
    unittest.main()
