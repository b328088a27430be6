"""Writes `schema.sql` beside this file: the tables of an empty MLflow 2.22 store, as MLflow itself makes them in SQLite.

    .venv-mlflow2/bin/python crates/senti-io/src/mlflow/store/schema.py [ANOTHER FILE]

2.22 because it is the last of the old line: it opens this schema as it is, and every 3.x brings it up to date when it opens it. A store of 3.x
is refused by 2.22. Only statements of SQLite's own catalog are written, in the order of their making, and the revision of the schema.
"""

import os
import sqlite3
import sys
import tempfile

import alembic
import mlflow
import sqlalchemy
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

here = os.path.dirname(os.path.abspath(__file__))
if not mlflow.__version__.startswith("2.22."):
    sys.exit(f"this is mlflow {mlflow.__version__}, wanted 2.22")
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "empty.db")
    SqlAlchemyStore(f"sqlite:///{path}", os.path.join(folder, "artifacts"))
    with sqlite3.connect(path) as store:
        statements = [row[0] for row in store.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]
        (revision,) = store.execute("SELECT version_num FROM alembic_version").fetchone()


def clean(sql):
    return "\n".join(line.rstrip() for line in sql.replace("\t", "  ").strip().splitlines())


head = [
    "-- The tables of an empty MLflow store. Made by schema.py, not by hand, with",
    f"-- mlflow {mlflow.__version__}, sqlalchemy {sqlalchemy.__version__}, alembic {alembic.__version__}, "
    f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}.",
]
tail = f"INSERT INTO alembic_version (version_num) VALUES ('{revision}');"
text = "\n".join(head) + "\n\n" + "\n".join(clean(sql) + ";" for sql in statements) + "\n" + tail + "\n"
with open(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "schema.sql"), "w", encoding="utf-8") as file:
    file.write(text)
print(f"{len(statements)} statements, revision {revision}, {len(text)} bytes")
