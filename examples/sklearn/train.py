"""Train the example's model, and on request write out the data it is tried on.

The data is scikit-learn's breast cancer set: 569 rows of 30 numbers, two classes. The model is
a forest on purpose: its answer for a row does not depend on which rows travel with it. (A model
that ends in a matrix product, such as LogisticRegression, may change its last digit with the
number of rows, because BLAS takes another path.)
"""

import argparse
import json
import os
import tempfile

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier


def train(path):
    """Fit the model and put it at path, in one step: a reader never sees half a file."""
    data = load_breast_cancer()
    model = RandomForestClassifier(n_estimators=50, min_samples_leaf=3, random_state=7)
    model.fit(data.data, data.target)
    # mode 0600 is mkstemp's; the one who serves is often not the one who trained.
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)))
    with os.fdopen(handle, "wb") as out:
        joblib.dump({"model": model, "names": list(data.feature_names)}, out)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def write_lines(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as out:
        out.writelines(line + "\n" for line in lines)


def write_data(folder, path):
    """Write the rows (cancer.*) and what predict_proba says of them (expected.*), all at once.

    Numbers are Python's shortest repr, which reads back as the same float. Nothing here is
    shared with app.py: the expected text must not inherit the server's mistakes.
    """
    names = [str(n) for n in load_breast_cancer().feature_names]
    rows = load_breast_cancer().data
    answers = joblib.load(path)["model"].predict_proba(rows).tolist()
    rows = rows.tolist()

    os.makedirs(folder, exist_ok=True)
    write_lines(folder, "cancer.csv", [",".join(names)] + [",".join(map(repr, r)) for r in rows])
    write_lines(folder, "cancer.jsonl", [json.dumps(dict(zip(names, r))) for r in rows])
    write_lines(folder, "expected.csv", [f"{a!r},{b!r}" for a, b in answers])
    write_lines(folder, "expected.jsonl", [f"[{a!r}, {b!r}]" for a, b in answers])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model",
        default=os.environ.get("MODEL") or os.path.join(here, "model.joblib"),
        help="where the model lives; trained if nothing is there (default: $MODEL, or beside this file)",
    )
    parser.add_argument(
        "--data", metavar="DIR",
        help="also write cancer.csv, cancer.jsonl, and expected.csv, expected.jsonl: the model's own answers",
    )
    args = parser.parse_args()
    if not os.path.exists(args.model):
        train(args.model)
    if args.data:
        write_data(args.data, args.model)


if __name__ == "__main__":
    main()
