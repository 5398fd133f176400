"""huey on SQLite: take the next task out of the queue and run it.

Reads "fill N" and "cycle N" on standard input, a line each, and answers the seconds it took. What a commit waits for is
set as on the other side (synchronous = NORMAL).
"""

import logging
import sys
import time

from huey import SqliteHuey

logging.disable(logging.CRITICAL)
huey = SqliteHuey("bench", filename=sys.argv[1], results=False)
huey.storage.conn.execute("PRAGMA synchronous = NORMAL")


@huey.task()
def work(text):
    return None


def fill(count):
    with huey.storage.db(commit=True) as db:
        for _ in range(count):
            data = huey.storage.to_blob(huey.serialize_task(work.s("write the file and say so")))
            db.execute(
                "insert into task (queue, data, priority) values (?, ?, ?)",
                (huey.storage.name, data, 0),
            )


def cycle(count):
    for _ in range(count):
        task = huey.dequeue()
        if task is None:
            raise SystemExit("the queue ran empty")
        huey.execute(task)


for line in sys.stdin:
    step, count = line.split()
    began = time.perf_counter()
    {"fill": fill, "cycle": cycle}[step](int(count))
    print(time.perf_counter() - began, flush=True)
