"""python-socketio with its msgpack packets, which use the standard binary form."""

import queue
import unittest

import socketio

from support import MESSAGES_IN_FLIGHT_MAX, Server, on_every_way, token

PATIENCE_S = 5


def setUpModule():
    global server
    server = Server("--parser", "msgpack")


def tearDownModule():
    server.stop()


@on_every_way
class MsgpackClient(unittest.TestCase):
    def connect(self, transports):
        client = socketio.Client(reconnection=False, handle_sigint=False, serializer="msgpack")
        self.addCleanup(client.disconnect)
        client.connect(server.url, auth={"token": token()}, transports=transports, wait_timeout=PATIENCE_S)
        return client

    def promise_values_and_bytes_are_acknowledged_as_they_were(self, transports):
        client = self.connect(transports)
        for sent in [{"a": [1, -5, 1.5, None, True], "é": "🍕"}, b"\x00\xff", [], {"deep": {"raw": b"x" * 300}}]:
            self.assertEqual(client.call("message-with-ack", sent, timeout=PATIENCE_S), sent)

    def promise_each_event_comes_back_once(self, transports):
        """In which order, this client does not say: it hands each event to a thread of its own."""
        client = self.connect(transports)
        inbox = queue.Queue()
        client.on("message-back", lambda i, *rest: inbox.put(i))
        for start in range(0, 120, MESSAGES_IN_FLIGHT_MAX):
            sent = list(range(start, start + MESSAGES_IN_FLIGHT_MAX))
            for i in sent:
                client.emit("message", i)
            self.assertEqual(sorted(inbox.get(timeout=PATIENCE_S) for _ in sent), sent)


if __name__ == "__main__":
    unittest.main()
