"""A webhook's far end on loopback: a real HTTP server that keeps what it is sent, and can fail, hang and trickle."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "xoxb-very-secret-73"
"""In the address everywhere that an address can hold a secret."""


class Receiver:
    """A server on loopback: keeps what it is sent, answers what it is told to."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[str | int] = []
        """Of the next requests, in order: a status, ``hang`` or ``trickle``; then 200."""
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.documents.append(json.loads(body))
                receiver.paths.append(self.path)
                receiver.headers.append(dict(self.headers))
                answer = receiver.answers.pop(0) if receiver.answers else 200
                if answer == "hang":
                    receiver.released.wait(20)
                elif answer == "trickle":
                    self._trickle()
                else:
                    self.send_response(int(answer))
                    self.send_header("Location", "http://elsewhere.example.org/")
                    self.end_headers()

            def _trickle(self) -> None:
                try:
                    while not receiver.released.wait(0.05):
                        self.wfile.write(b"H")
                        self.wfile.flush()
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:  # type: ignore[override]
                """Not a word."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.address = f"http://mqi:{TOKEN}@127.0.0.1:{self._server.server_port}/hooks/{TOKEN}?key={TOKEN}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
