"""A server for POSTs in a few lines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Gets path, headers (in small letters) and body; gives status, headers and body, or `None` to break the connection.
Answer = Callable[[str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes] | None]


@contextmanager
def post_server(answer: Answer) -> Iterator[int]:
    """Its port. Requests of several connections are answered side by side."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = answer(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if said is None:
                self.close_connection = True
                return
            status, headers, text = said
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # who asked has not waited for it
                self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
