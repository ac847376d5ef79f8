"""How the scripts speak to the adapter: `@@FW {json}` lines.

Blender prints its own text on the same streams, sometimes half a line at a time, so every
message begins with a line end of its own and goes out in one write below Python's buffers.
A message stays short: lists are sent one element a line, because overlong lines are cut.
"""

import ctypes
import json
import os
import sys
import time

STDOUT = 1
STDERR = 2


def _plain(value):
    """The same value with text that is valid UTF-8: file names need not be."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _flush():
    """What was printed before comes before: through Python's buffers, or C's, which it does not
    know and which Blender prints through."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        ctypes.CDLL(None).fflush(None)
    except Exception:  # not fatal: only the order of lines in the log suffers
        pass


def say(event, stream=STDOUT, **fields):
    """Sends one message."""
    _flush()
    fields["ev"] = event
    data = b"\n@@FW " + json.dumps(_plain(fields), allow_nan=False).encode("ascii") + b"\n"
    while data:
        data = data[os.write(stream, data):]


def setup():
    """What the adapter wants of this process."""
    with open(os.environ["FRAMEWRIGHT_SETUP"], encoding="utf-8") as file:
        return json.load(file)


def process_age_s():
    """Seconds since this process was started, or None where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    except (OSError, AttributeError, IndexError, ValueError):
        return None


def memory_peak_bytes():
    """The most memory that this process ever held, or None where the system does not tell."""
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
