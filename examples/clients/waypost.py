"""A conversation with `waypost serve`, in the standard library alone."""

import json
import os
import urllib.error
import urllib.request
import uuid


# A yes is nothing that a model is offered, or allowed, whoever `expects` is for.
THE_USERS = {"confirm", "reject"}


class Conversation:
    """One user's conversation. The host's key has the role `runtime`: it forwards the user's words and the model's calls."""

    def __init__(self, user, url=None, agent=None, key=None):
        self.url = (url or os.environ.get("WAYPOST_URL", "http://127.0.0.1:8700")).rstrip("/")
        self.agent = agent or os.environ.get("WAYPOST_AGENT", "default")
        self.key = key or os.environ.get("WAYPOST_KEY")
        self.user = user
        self.answer = None

    def message(self, text):
        """What the user said, word for word. Only this can be a yes."""
        return self._turn({"message": text})

    def command(self, name, arguments):
        """What the model wants. Waypost refuses what may not come now, and says what may."""
        return self._turn({"command": {**arguments, "type": name}})

    @property
    def text(self):
        return self.answer["response"]["message"]

    def tools(self):
        """What the model may call now, in the form of chat completions; it differs from step to step."""
        schemas = self.answer["expects"]["schemas"]
        described = "Ask Waypost to `{}`. What it answers is said to the user."
        return [
            {"type": "function", "function": {"name": name, "description": described.format(name), "parameters": _arguments(schema)}}
            for name, schema in schemas.items()
            if name not in THE_USERS
        ]

    def offered(self):
        """The same as an argument: models do not take an empty list."""
        tools = self.tools()
        return {"tools": tools} if tools else {}

    def _turn(self, body):
        if self.answer:
            body["conversation_id"] = self.answer["conversation_id"]
        # A turn that is sent again because its answer was lost is still one turn.
        headers = {"content-type": "application/json", "user-id": self.user, "idempotency-key": str(uuid.uuid4())}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        url = f"{self.url}/api/v1/agents/{self.agent}/converse"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request) as answer:
                self.answer = json.load(answer)
                return {"says": self.text, "state": self.answer["state"]}
        except urllib.error.HTTPError as refused:
            problem = json.load(refused)
            if problem["status"] not in (403, 409, 422):
                raise RuntimeError(problem["detail"]) from None
            return {"refused": problem["code"], "why": problem["detail"]}


def _arguments(schema):
    """A command's schema without its `type`, which is the tool's name."""
    if "oneOf" in schema:
        # Tools take an object: one that says which of them, and waypost checks the rest.
        names = [one["properties"]["journey"]["const"] for one in schema["oneOf"]]
        return {"type": "object", "properties": {"journey": {"enum": names}, "variables": {"type": "object"}}, "required": ["journey"]}
    properties = {name: value for name, value in schema.get("properties", {}).items() if name != "type"}
    required = [name for name in schema.get("required", []) if name != "type"]
    return {"type": "object", "properties": properties, "required": required}
