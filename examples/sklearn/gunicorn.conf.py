"""How gunicorn runs app.py. PORT 0 takes a free port, which the log then names."""

import os

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"
workers = 2
worker_class = "gthread"  # the default class, sync, keeps no connection open at all
threads = 4
keepalive = int(os.environ.get("KEEPALIVE", "5"))  # seconds; an idle connection is closed after them
timeout = 60
graceful_timeout = 10
preload_app = True  # the model is loaded once, and before the port opens
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"  # so that the root may be read-only, and a slow disk stalls nothing
