# Times programs, each once per round, from fork to their end. Run in a container by measurements.ts.
# Standard input has {"rounds": N, "cases": {NAME: [PROGRAM, ARGUMENT, ...]}}; standard output {NAME: [milliseconds, ...]}.
import collections
import json
import os
import sys
import time

plan = json.load(sys.stdin, object_pairs_hook=collections.OrderedDict)
times = collections.OrderedDict((name, []) for name in plan["cases"])
for _ in range(plan["rounds"] + 1):
    for name, words in plan["cases"].items():
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            os.execvp(words[0], words)
        status = os.waitpid(child, 0)[1]
        times[name].append((time.perf_counter() - began) * 1000)
        if status != 0:
            sys.exit("%s: status %d" % (name, status))
for it in times.values():
    del it[0]  # The first round warms up.
print(json.dumps(times))
