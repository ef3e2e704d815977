# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds driver/ to one kind of lock and one way to start a thread.

    locks.py FOLDER      fails and names each line with another one

GLib's locks are made of bare futexes, which thread checkers cannot see; a thread that is started any other way would
take the daemon's signals. So base/lock.h alone knows pthread's locks, and base/thread.c alone starts threads.
"""

import os
import re
import sys

LOCKS = re.compile(r"\b(GMutex|GRecMutex|GRWLock|GCond|GOnce|g_once|g_once_init_enter|g_mutex_\w+|g_cond_\w+"
                   r"|g_rw_lock_\w+|g_rec_mutex_\w+|g_bit_lock|pthread_(mutex|cond|rwlock|spin)\w*|mtx_\w+|sem_\w+)\b")
THREADS = re.compile(r"\b(g_thread_(try_)?new|g_thread_pool_\w+|g_task_run_in_thread\w*|pthread_create|thrd_create)\b")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def find_wrong(folder):
    for path, _, names in sorted(os.walk(folder)):
        for name in sorted(name for name in names if name.endswith((".c", ".h"))):
            file = os.path.relpath(os.path.join(path, name), folder)
            with open(os.path.join(path, name), encoding="utf-8") as f:
                text = COMMENT.sub(lambda comment: re.sub(r"[^\n]", "", comment.group()), f.read())
            for number, line in enumerate(text.splitlines(), 1):
                if file != "base/lock.h" and (found := LOCKS.search(line)):
                    yield f"{file}:{number}: {found.group()}: take a ReplLock (base/lock.h)"
                if file != "base/thread.c" and (found := THREADS.search(line)):
                    yield f"{file}:{number}: {found.group()}: call replThreadNew (base/thread.h)"


def main(folder):
    wrong = list(find_wrong(folder))
    print("\n".join(wrong) or "One kind of lock, one way to start a thread.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
