"""python-socketio, the synchronous client."""

import queue
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
class SyncClient(unittest.TestCase):
    def connect(self, transports, auth=None, namespaces=None):
        client = socketio.Client(reconnection=False, handle_sigint=False)
        self.addCleanup(client.disconnect)
        self.inbox = queue.Queue()
        for namespace in namespaces or ["/"]:
            client.on("message-back", lambda *args: self.inbox.put(args), namespace=namespace)
            client.on("news", lambda *args: self.inbox.put(args), namespace=namespace)
        client.connect(
            server.url,
            auth={"token": token()} if auth is None else auth,
            transports=transports,
            namespaces=namespaces,
            wait_timeout=PATIENCE_S,
        )
        return client

    def promise_a_client_connects_and_learns_who_it_is(self, transports):
        client = self.connect(transports, auth={"token": token("paolo")})
        me = client.call("whoami", timeout=PATIENCE_S)
        self.assertEqual(me["sub"], "paolo")
        self.assertEqual(me["id"], client.get_sid())

    def promise_a_client_without_a_token_is_refused_and_told_why(self, transports):
        refusals = queue.Queue()
        client = socketio.Client(reconnection=False, handle_sigint=False)
        self.addCleanup(client.disconnect)
        client.on("connect_error", refusals.put)
        with self.assertRaises(socketio.exceptions.ConnectionError):
            client.connect(server.url, auth={}, transports=transports, wait_timeout=PATIENCE_S)
        self.assertEqual(refusals.get(timeout=PATIENCE_S)["data"]["code"], "token_missing")

    def promise_an_event_comes_back_with_what_was_in_it(self, transports):
        client = self.connect(transports)
        client.emit("message", (1, "two", ORDER))
        self.assertEqual(self.inbox.get(timeout=PATIENCE_S)[:3], (1, "two", ORDER))

    def promise_the_server_acknowledges(self, transports):
        client = self.connect(transports)
        self.assertEqual(client.call("message-with-ack", ORDER, timeout=PATIENCE_S), ORDER)

    def promise_the_client_acknowledges(self, transports):
        client = self.connect(transports)
        client.on("question", lambda payload, *rest: (payload, "yes"))
        self.assertEqual(client.call("ask-me", ORDER, timeout=PATIENCE_S), [ORDER, "yes"])

    def promise_bytes_travel_both_ways(self, transports):
        client = self.connect(transports)
        sent = {"photo": bytes(range(256)), "list": [{"raw": b"\x00" * 3000}, "text"]}
        self.assertEqual(client.call("message-with-ack", sent, timeout=PATIENCE_S), sent)
        client.emit("message", (sent, b"last"))
        self.assertEqual(self.inbox.get(timeout=PATIENCE_S)[:2], (sent, b"last"))

    def promise_each_message_comes_back_once(self, transports):
        """The synchronous client hands each message to a thread of its own: their order is the machine's. test_asyncio.py looks at it."""
        client = self.connect(transports)
        for start in range(0, 300, MESSAGES_IN_FLIGHT_MAX):
            sent = list(range(start, start + MESSAGES_IN_FLIGHT_MAX))
            for i in sent:
                client.emit("message", i)
            self.assertEqual(sorted(self.inbox.get(timeout=PATIENCE_S)[0] for _ in sent), sent)

    def promise_a_namespace_is_its_own(self, transports):
        client = self.connect(transports, namespaces=["/", "/custom"])
        client.call("join", "r", namespace="/custom", timeout=PATIENCE_S)
        client.call("publish", ("r", "news", "custom"), namespace="/custom", timeout=PATIENCE_S)
        self.assertEqual(self.inbox.get(timeout=PATIENCE_S)[0], "custom")
        self.assertNotEqual(client.get_sid("/"), client.get_sid("/custom"))


if __name__ == "__main__":
    unittest.main()
