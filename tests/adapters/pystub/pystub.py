"""An adapter in Python: drives `framewright stub-render --session` over the stdio carrier.

It is the example for whoever writes an adapter without Rust or C. The carrier is at the bottom
(JSON lines, one answer a request), the sessions above it are plain state machines: told inputs,
answering effects. The documents are those of framewright-plugin-api's module `data`.

One renderer process a session, loaded once; each task is a line on its standard input, and what
it says about tasks begins with `@@FW `. Should it die, the task in flight has failed, and a new
one is started for the others.
"""

import json
import sys

DESCRIPTION = {
    "format": 1,
    "id": "pystub",
    "version": "1.0.0",
    "renderer": "Stub renderer",
    "extensions": [],
    "programs": ["framewright"],
    "can": {
        "sticky": True,
        "tiles": "crop",
        "layers": True,
        "frame-lists": True,
        "reports-frames": True,
    },
    "outputs": [
        {"id": "png", "extension": "png"},
        {"id": "exr", "extension": "exr"},
        {"id": "none", "extension": ""},
    ],
}
MARK = "@@FW "


def command(opened, *arguments):
    return [opened["program"], "stub-render", *arguments]


def failed(verdict, why, hint=""):
    return {"effect": "failed", "verdict": verdict, "why": why, "hint": hint}


class Question:
    """A probe or an inspection: one process, one conclusion."""

    def __init__(self, opened, *arguments):
        self.concluded = False
        self.first = [{"effect": "run", "run": 1, "argv": command(opened, *arguments)}]

    def step(self, inputs):
        for given in inputs:
            effect = None if self.concluded else self.take(given)
            if effect:
                self.concluded = True
                yield effect

    def take(self, given):
        if given["input"] == "line" and given["stream"] == "stdout":
            return self.conclude(given["text"])
        if given["input"] == "not-started":
            return failed("machine-fault", "cannot start the stub renderer: " + given["why"])
        if given["input"] == "exited":
            return failed("machine-fault", "the stub renderer ended without an answer")
        return None


class Probe(Question):
    def __init__(self, opened):
        super().__init__(opened, "--version")

    def conclude(self, text):
        return {"effect": "found", "version": text.split()[-1]}


class Inspect(Question):
    def __init__(self, opened):
        super().__init__(opened, "--inspect", "--", opened["scene"])

    def conclude(self, text):
        if not text.startswith(MARK):
            return None
        text = text[len(MARK):]
        if text.startswith("error "):
            error = json.loads(text[len("error "):])
            return failed("unrenderable", error["message"], error.get("hint", ""))
        said = json.loads(text)

        def declared(seconds):
            return {"seconds": seconds, "basis": "declared"}

        scene = {
            key: said[key]
            for key in ("first", "last", "step", "fps", "width", "height", "memory_bytes")
        }
        for layer in said["layers"]:
            layer.update(passes=["R", "G", "B", "A"], used=True)
        return {
            "effect": "scene",
            **scene,
            "layers": said["layers"],
            "costs": {key: declared(said[key]) for key in ("load_s", "call_s", "frame_s")},
            "tiles": said["tiles"],
            "layer_split": {"exact": True},
            "output": "none" if said["output"] == "none" else "",
            "warnings": said["warnings"],
        }


class Render:
    """Renders in the order given; so the task in flight is always the first open one."""

    def __init__(self, opened):
        self.opened = opened
        self.first = []
        self.run = 0
        self.running = False
        self.open = []  # (segment, place in the segment, task), in order
        self.sent_from = {}  # first place of a segment that this process was sent
        self.said = ""

    def step(self, inputs):
        for given in inputs:
            take = getattr(self, given["input"].replace("-", "_"))
            yield from take(given)

    # what framewright says

    def segment(self, given):
        segment = given["segment"]
        new = [(segment, place, task) for place, task in enumerate(given["tasks"])]
        self.open += new
        if self.running:
            self.sent_from[segment] = 0
            yield self.send(new)
        else:
            yield from self.start()

    def cut(self, given):
        segment, keep = given["segment"], given["keep"]
        if self.running and segment in self.sent_from:
            # The renderer knows what it has begun; it answers with `kept`.
            wanted = max(0, keep - self.sent_from[segment])
            yield self.write({"cut": {"segment": segment, "keep": wanted}})
        else:
            yield from self.keep(segment, keep)

    def started(self, given):
        return ()

    def not_started(self, given):
        self.running = False
        self.open = []
        yield failed("machine-fault", "cannot start the stub renderer: " + given["why"])

    def exited(self, given):
        if given["run"] != self.run or not self.running:
            return
        self.running = False
        yield {"effect": "cooled"}
        if self.open:
            how = "signal %s" % given["signal"] if "signal" in given else "exit code %s" % given.get("code")
            why = "the stub renderer ended with %s. %s" % (how, self.said)
            yield self.done("machine-fault", why.strip())
            yield from self.start()

    def cancel(self, given):
        self.open = []
        if self.running:
            yield {"effect": "kill", "run": self.run}

    # what the renderer says

    def line(self, given):
        text = given["text"]
        if given["run"] != self.run:
            return
        if not text.startswith(MARK):
            if text.startswith("Error: "):
                self.said = text[:500]
            return
        word, _, rest = text[len(MARK):].partition(" ")
        if word == "loaded":
            yield {"effect": "loaded"}
        elif word == "error":
            error = json.loads(rest)
            self.open = []
            yield failed("unrenderable", error["message"], error.get("hint", ""))
        elif word == "kept":
            segment, kept = map(int, rest.split())
            yield from self.keep(segment, self.sent_from.get(segment, 0) + kept)
        elif self.open:
            yield from self.about_task(word, rest.split(" ", 2))

    def about_task(self, word, rest):
        segment, _, task = self.open[0]
        if [str(segment), str(task["task"])] != rest[:2]:
            self.open = []
            yield {"effect": "kill", "run": self.run}
            yield failed("adapter-fault", "the stub renderer speaks of a task out of turn")
            return
        place = {"segment": segment, "task": task["task"]}
        if word == "begun":
            yield {"effect": "progress", "fraction": 0.0, **place}
        elif word == "progress":
            yield {"effect": "progress", "fraction": float(rest[2]), **place}
        elif word == "wrote":
            yield {"effect": "wrote", "path": task["output"], **place}
            yield self.done("succeeded", "")
        elif word == "done":
            yield self.done("succeeded", "")
        elif word == "failed":
            verdict, _, why = rest[2].partition(" ")
            yield self.done(verdict, why)

    # the parts of it

    def start(self):
        if not self.open:
            return
        self.run += 1
        self.running = True
        self.said = ""
        self.sent_from = {}
        for segment, place, _ in self.open:
            self.sent_from.setdefault(segment, place)
        settings = ["--set=sticky=true", "--host=" + self.opened["host"]]
        argv = command(self.opened, "--session", *settings, "--", self.opened["scene"])
        yield {"effect": "run", "run": self.run, "argv": argv, "stdin": True}
        yield self.send(self.open)

    def send(self, tasks):
        known = ("task", "layer", "frame", "tile", "attempt", "output")
        orders = [
            {"task": {"segment": segment, **{k: task[k] for k in known if k in task}}}
            for segment, _, task in tasks
        ]
        return self.write(*orders)

    def write(self, *orders):
        text = "".join(json.dumps(order) + "\n" for order in orders)
        return {"effect": "write", "run": self.run, "text": text}

    def done(self, verdict, why):
        segment, _, task = self.open.pop(0)
        return {
            "effect": "task-done", "segment": segment, "task": task["task"],
            "verdict": verdict, "why": why,
        }

    def keep(self, segment, keep):
        self.open = [t for t in self.open if t[0] != segment or t[1] < keep]
        yield {"effect": "kept", "segment": segment, "keep": keep}


ACTIVITIES = {"probe": Probe, "inspect": Inspect, "render": Render}


def answer(sessions, request):
    call, number = request["call"], request.get("session", 0)
    if call == "describe":
        return DESCRIPTION
    if call == "open":
        opened = request["open"]
        sessions[number] = ACTIVITIES[opened["activity"]](opened)
        return {"effects": sessions[number].first}
    if call == "step":
        return {"effects": list(sessions[number].step(request["step"]["inputs"]))}
    sessions.pop(number, None)
    return {}


def say(document):
    print(json.dumps(document), flush=True)


def main():
    sessions = {}
    say({"framewright-adapter": 1, "abi": [1, 0]})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            say({"ok": answer(sessions, request)})
        except Exception as error:
            sessions.pop(request.get("session"), None)
            at = error.__traceback__
            while at.tb_next:
                at = at.tb_next
            say({"error": {
                "code": "poisoned",
                "message": "%s: %s" % (type(error).__name__, error),
                "where": "pystub.py:%d" % at.tb_lineno,
            }})


main()
