"""An adapter that counts the lines of its session and dies as it is told to.

A line `boom PATH` kills it where PATH does not exist, and makes PATH first: so it dies once.
A line `boom` kills it always. It prints a last word before it goes.
"""

import json
import os
import signal
import sys


def die():
    print("flaky: this is the end", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def take(session, given):
    if given["input"] != "line":
        return []
    session["lines"] += 1
    words = given["text"].split(maxsplit=1)
    if words[:1] == ["boom"]:
        if len(words) == 1:
            die()
        elif not os.path.exists(words[1]):
            open(words[1], "w").close()
            die()
    return [{"effect": "note", "text": "line %d" % session["lines"]}]


def main():
    session = {"lines": 0}
    print(json.dumps({"framewright-adapter": 1, "abi": [1, 0]}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if request["call"] == "describe":
            answer = {
                "format": 1, "id": "flaky", "version": "1.0.0", "renderer": "echo",
                "extensions": ["flaky"], "programs": ["echo"], "can": {},
                "outputs": [{"id": "none", "extension": ""}],
            }
        elif request["call"] == "step":
            effects = [e for i in request["step"]["inputs"] for e in take(session, i)]
            answer = {"effects": effects}
        print(json.dumps({"ok": answer}), flush=True)


main()
