"""A LangGraph agent whose only tools are Waypost's: `hear` passes the user's words on, `think` asks the model, `act` carries out its calls.

Each line of standard input is what the user says. The model is any that speaks chat completions (`OPENAI_BASE_URL`, `OPENAI_API_KEY`).
"""

import json
import operator
import os
import sys
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from openai import OpenAI

from waypost import Conversation

SYSTEM = "You help a customer through a journey of the shop. Call a tool if you already know what is asked for; otherwise call none."


class State(TypedDict):
    said: str
    says: str
    messages: Annotated[list, operator.add]


def agent(conversation, model):
    def hear(state):
        conversation.message(state["said"])
        return {"messages": [{"role": "user", "content": state["said"]}], "says": conversation.text}

    def think(state):
        status = {"role": "system", "content": f"{SYSTEM} The user is told: {conversation.text}"}
        chosen = model.chat.completions.create(
            model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), messages=[*state["messages"], status], **conversation.offered()
        )
        return {"messages": [chosen.choices[0].message.model_dump(exclude_none=True)]}

    def act(state):
        results = []
        for call in state["messages"][-1]["tool_calls"]:
            result = conversation.command(call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
            results.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
        return {"messages": results, "says": conversation.text}

    graph = StateGraph(State)
    graph.add_node("hear", hear)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "hear")
    graph.add_edge("hear", "think")
    graph.add_conditional_edges("think", lambda state: "act" if state["messages"][-1].get("tool_calls") else END)
    graph.add_edge("act", "think")
    return graph.compile(checkpointer=InMemorySaver())


def main():
    conversation = Conversation(user=os.environ.get("WAYPOST_USER", "u-1"))
    graph = agent(conversation, OpenAI())
    config = {"configurable": {"thread_id": conversation.user}, "recursion_limit": 12}
    for line in sys.stdin:
        print(graph.invoke({"said": line.strip()}, config)["says"].replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
