"""A small HTTP server on the loopback address, which misbehaves as it is told."""

import re
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves one content at every path.

    Attributes:
        content: the bytes.
        contents: path -> other bytes.
        breaks: after how many bytes each of the next answers breaks off.
        statuses: the statuses of the next answers, in place of 200 or 206.
        ranges: whether it knows ranges.
        length: whether it states the length.
        headers: further headers of each answer with content.
        requests: (path, the header Range) of each request so far.
    """

    def __init__(self, content=b""):
        self.content, self.breaks, self.statuses, self.requests = content, [], [], []
        self.contents, self.headers = {}, {}
        self.ranges = self.length = True
        self.url = ""

    def answer(self, handler):
        """Answers one request."""
        asked, content = handler.headers.get("Range"), self.contents.get(handler.path, self.content)
        self.requests.append((handler.path, asked))
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            handler.send_error(status)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked and self.ranges else 0
        if start >= len(content) and start:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.length:
            handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        end = start + self.breaks.pop(0) if self.breaks else len(content)
        handler.wfile.write(content[start:end])
        handler.close_connection = True


@contextmanager
def serving(server):
    """Runs the server in a thread, at ``server.url``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(OSError):  # a client that hangs up
                server.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
