"""A scikit-learn model behind Flask, on the container contract: ping, parameters, invocations.

Written the way such hosts are written every day, habits included: one bad row makes the whole
request a 500, and a blank line costs an answer without a word. README.md lists them; batchmill
has to live with each, so please do not repair them here.
"""

import io
import json
import os
import time

import joblib
import numpy as np
from flask import Flask, Response, request

MODEL = os.environ.get("MODEL") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.joblib")
START_DELAY = float(os.environ.get("START_DELAY", "0"))  # seconds of 502 before the first 200
MAX_BODY = int(os.environ.get("MAX_CONTENT_LENGTH", str(6 << 20)))  # bytes; above it: 413

# gunicorn loads this file once and then forks (preload_app), so all workers share these.
saved = joblib.load(MODEL)
model, names = saved["model"], saved["names"]
ready_at = time.monotonic() + START_DELAY

app = Flask(__name__)


def read_csv(text):
    return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)  # skips blank lines


def features(row):
    """A row is a list in column order, or an object by column name."""
    return [row[name] for name in names] if isinstance(row, dict) else row


def read_lines(text):
    rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    return np.array([features(row) for row in rows], dtype=float)


def read_json(text):
    rows = json.loads(text)
    if isinstance(rows, dict):
        rows = rows["instances"]
    return np.array([features(row) for row in rows], dtype=float)


def write_csv(answers):
    return "".join(",".join(map(repr, answer)) + "\n" for answer in answers)


def write_lines(answers):
    return "".join(json.dumps(answer) + "\n" for answer in answers)


def write_json(answers):
    return json.dumps({"predictions": answers})


FORMATS = {
    "text/csv": (read_csv, write_csv),
    "application/jsonlines": (read_lines, write_lines),
    "application/json": (read_json, write_json),
}


def reply(status, text):
    return Response(text + "\n", status=status, mimetype="text/plain")


@app.before_request
def starting():
    """Until the model is up, answer what a proxy in front of it would."""
    if time.monotonic() < ready_at:
        return reply(502, "bad gateway: the model is not up yet")
    return None


@app.get("/ping")
def ping():
    return reply(200, "ok")


@app.get("/execution-parameters")
def parameters():
    told = {"MaxConcurrentTransforms": 8, "BatchStrategy": "MULTI_RECORD"}
    if MAX_BODY >= 1 << 20:  # the field counts whole megabytes, so a smaller limit cannot be told
        told["MaxPayloadInMB"] = MAX_BODY >> 20
    return told


@app.post("/invocations")
def invocations():
    # Compared as it stands: "text/csv; charset=utf-8" is not in the list, as on many real hosts.
    kind = request.headers.get("Content-Type", "")
    if kind not in FORMATS:
        return reply(415, f"unsupported content type {kind!r}: send one of {', '.join(FORMATS)}")
    if (request.content_length or 0) > MAX_BODY:
        return reply(413, f"body of {request.content_length} bytes: the limit is {MAX_BODY}")
    body = request.stream.read(MAX_BODY + 1)  # a chunked body has no length to look at first
    if len(body) > MAX_BODY:
        return reply(413, f"body of over {MAX_BODY} bytes: that is the limit")

    accept = request.headers.get("Accept", kind)
    if accept not in FORMATS:
        accept = kind
    read, write = FORMATS[kind][0], FORMATS[accept][1]
    # Whatever a bad row raises here, Flask turns into a 500 for the whole request.
    answers = model.predict_proba(read(body.decode("utf-8"))).tolist()
    return Response(write(answers), content_type=accept)
