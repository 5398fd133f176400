"""litequeue: pop a message and mark it as done.

Reads "fill N" and "cycle N" on standard input, a line each, and answers the seconds it took.
"""

import sys
import time

from litequeue import LiteQueue

queue = LiteQueue(sys.argv[1])


def fill(count):
    queue.conn.execute("BEGIN")
    for _ in range(count):
        queue.put("write the file and say so")
    queue.conn.execute("COMMIT")


def cycle(count):
    for _ in range(count):
        message = queue.pop()
        if message is None:
            raise SystemExit("the queue ran empty")
        queue.done(message.message_id)


for line in sys.stdin:
    step, count = line.split()
    began = time.perf_counter()
    {"fill": fill, "cycle": cycle}[step](int(count))
    print(time.perf_counter() - began, flush=True)
