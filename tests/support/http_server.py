"""Serves a folder on a free loopback port for tests of downloads: whole, in ranges, or badly.

Usage: http_server.py FOLDER LOG. Prints the port; writes "PATH RANGE" for each request to LOG; ends when its input ends.

    /files/NAME        with Range and ETag
    /plain/NAME        without either
    /cut/N/NAME        closes the connection after N bytes of each body, with Range
    /flaky/N/NAME      answers 503 to the first N requests
    /redirect/NAME     to /files/NAME
    /page/NAME         a web page with status 200
    /denied/NAME       403
    /OWNER/REPO/resolve/main/NAME
"""

import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER, LOG = sys.argv[1], sys.argv[2]
requests_of = {}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def page(self, status):
        body = b"<html>a page</html>"
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, name, ranged=True, most=None):
        try:
            with open(os.path.join(FOLDER, os.path.basename(name)), "rb") as file:
                body = file.read()
        except OSError:
            return self.page(404)
        etag = '"%d-%d"' % (len(body), sum(body[:4096]))
        match = re.match(r"bytes=(\d+)-$", self.headers.get("Range", "")) if ranged else None
        if match and self.headers.get("If-Range", etag) != etag:
            match = None
        begin = int(match.group(1)) if match else 0
        if match and begin >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", "bytes */%d" % len(body))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(body) - 1, len(body)))
        if ranged:
            self.send_header("ETag", etag)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        rest = body[begin:]
        self.wfile.write(rest if most is None else rest[:most])
        self.close_connection = True

    def do_GET(self):
        with open(LOG, "a") as log:
            log.write("%s %s\n" % (self.path, self.headers.get("Range", "-")))
        parts = self.path.strip("/").split("/")
        kind, name = parts[0], parts[-1]
        seen = requests_of[self.path] = requests_of.get(self.path, 0) + 1
        if kind == "files" or parts[2:4] == ["resolve", "main"]:
            return self.send_file(name)
        if kind == "plain":
            return self.send_file(name, ranged=False)
        if kind == "cut":
            return self.send_file(name, most=int(parts[1]))
        if kind == "flaky":
            return self.page(503) if seen <= int(parts[1]) else self.send_file(name)
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "/files/" + name)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if kind in ("page", "denied"):
            return self.page(200 if kind == "page" else 403)
        return self.page(404)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=end_with_input, daemon=True).start()
print(server.server_address[1], flush=True)
server.serve_forever()
