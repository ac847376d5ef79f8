"""An adapter over the stdio carrier that speaks garbage from a chosen call on.

    command = ["python3", "garbage.py", "step"]      also: greeting, describe, open, endless
"""

import json
import sys


def answer(document):
    print(json.dumps(document), flush=True)


def main():
    broken = sys.argv[1]
    if broken == "greeting":
        print("Hello, I am your new adapter!", flush=True)
    answer({"framewright-adapter": 1, "abi": [1, 0]})
    for line in sys.stdin:
        request = json.loads(line)
        call = request["call"]
        if call == broken:
            print("%PDF-1.4 \x07 not what you asked for", flush=True)
        elif call == "step" and broken == "endless":
            while True:
                sys.stdout.write("x" * 65536)
        elif call == "step" and broken == "effect":
            answer({"ok": {"effects": [{"effect": "reboot", "host": "all"}]}})
        elif call == "describe":
            answer({"ok": {
                "format": 1, "id": "garbage", "version": "1.0.0", "renderer": "echo",
                "extensions": ["garbage"], "programs": ["echo"], "can": {},
                "outputs": [{"id": "none", "extension": ""}],
            }})
        elif call == "open" and request["open"]["activity"] == "inspect":
            answer({"ok": {"effects": [{
                "effect": "scene", "first": 1, "last": 3, "step": 1, "fps": 24,
                "width": 64, "height": 36,
            }]}})
        elif call == "open" and request["open"]["activity"] == "probe":
            answer({"ok": {"effects": [{"effect": "found", "version": "1.0"}]}})
        else:
            answer({"ok": {"effects": []}})


main()
