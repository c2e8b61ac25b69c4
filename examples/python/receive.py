"""Receives the changes of recipients from a webhook of the kind json."""

import hashlib
import hmac
import http.server
import json
import os
import sys
import time

MAX_AGE = 300  # seconds
MAX_BODY = 10_000_000


def genuine(secret: bytes, header: str, body: bytes) -> bool:
    """Reports whether bouncetail signed this body a short time ago."""
    try:
        fields = dict(part.split("=", 1) for part in header.split(","))
        stamp, signature = fields["t"], fields["v1"]
        age = abs(time.time() - int(stamp))
    except (KeyError, ValueError):
        return False
    want = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(want.encode(), signature.encode()) and age <= MAX_AGE


def handle(change: dict) -> None:
    """Replace this. It must succeed if it is called twice for one change."""
    print(change["state"], change["recipient"], flush=True)


class Receiver(http.server.BaseHTTPRequestHandler):
    secret = b""
    seen: dict[str, int] = {}  # the last change of each address; keep it in a database

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(length)
        if not genuine(self.secret, self.headers.get("X-Bouncetail-Signature", ""), body):
            return self.answer(403)
        for change in json.loads(body)["recipients"]:
            if change["seq"] > self.seen.get(change["recipient"], 0):
                handle(change)
                self.seen[change["recipient"]] = change["seq"]
        # Answer last: after any other answer bouncetail sends the request again.
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with open(os.environ["SECRET_FILE"], "rb") as f:
        Receiver.secret = f.read().rstrip(b"\r\n")
    if not Receiver.secret:
        sys.exit("the secret is empty")
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver).serve_forever()
