"""A provider of actions, in Python without packages: the same as provider.ts. PROVIDER_SECRET holds the `whsec_…` of the workspace."""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["PROVIDER_SECRET"].removeprefix("whsec_"))
seen: set[str] = set()  # webhook-ids: one that comes again is replayed
done: dict[str, dict] = {}  # execution_ids: one that comes again is a retry, and gets the same answer


def sign(id: str, at: str, body: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(KEY, f"{id}.{at}.".encode() + body, hashlib.sha256)).decode()


def discover(context: dict) -> list:
    ticket = context.get("ticket") or {}
    if ticket.get("issue_type") != "payment":
        return []
    description = "Charges the card on file once more"
    return [{"id": "reprocess_payment", "label": "Reprocess Payment", "description": description, "requires_confirmation": True}]


def execute(action_id: str, context: dict, inputs: dict, execution_id: str) -> dict:
    comment = {"type": "add_comment", "content": f"Payment reprocessed ({execution_id})", "is_public": False}
    status = {"type": "change_status", "status": "In Progress"}
    return {"success": True, "message": "The payment is on its way.", "effects": [comment, status]}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        id, at = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "0")
        good = hmac.compare_digest(self.headers.get("webhook-signature", ""), sign(id, at, body))
        if not good or not at.isdigit() or abs(time.time() - int(at)) > 300 or id in seen:
            return self.answer(401, {"error": "bad signature"}, id)
        seen.add(id)
        sent = json.loads(body)
        if self.path == "/discover":
            return self.answer(200, discover(sent["context"]), id)
        self.answer(200, done.setdefault(sent["execution_id"], execute(**sent)), id)

    def answer(self, status: int, value: object, id: str) -> None:
        body, at = json.dumps(value).encode(), str(int(time.time()))
        self.send_response(status)
        headers = {"content-type": "application/json", "content-length": len(body), "webhook-id": id, "webhook-timestamp": at}
        for name, text in (headers | {"webhook-signature": sign(id, at, body)}).items():
            self.send_header(name, str(text))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
