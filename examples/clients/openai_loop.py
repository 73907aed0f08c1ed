"""A function-calling loop in the manner of OpenAI's, on any model that speaks chat completions (`OPENAI_BASE_URL`, `OPENAI_API_KEY`).

Each line of standard input is what the user says. The user's words go to Waypost as they are; the model may then act for the user, by
the tools that Waypost allows at this step; what Waypost says is what the user sees.
"""

import json
import os
import sys

from openai import OpenAI

from waypost import Conversation

SYSTEM = "You help a customer through a journey of the shop. Call a tool if you already know what is asked for; otherwise call none."
CALLS = 4


def turn(model, conversation, messages, said):
    messages.append({"role": "user", "content": said})
    conversation.message(said)
    for _ in range(CALLS):
        status = {"role": "system", "content": f"The user is told: {conversation.text}"}
        chosen = model.chat.completions.create(
            model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), messages=[*messages, status], **conversation.offered()
        )
        reply = chosen.choices[0].message
        if not reply.tool_calls:
            break
        messages.append(reply.model_dump(exclude_none=True))
        for call in reply.tool_calls:
            result = conversation.command(call.function.name, json.loads(call.function.arguments or "{}"))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    messages.append({"role": "assistant", "content": conversation.text})
    return conversation.text


def main():
    model, conversation = OpenAI(), Conversation(user=os.environ.get("WAYPOST_USER", "u-1"))
    messages = [{"role": "system", "content": SYSTEM}]
    for line in sys.stdin:
        print(turn(model, conversation, messages, line.strip()).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
