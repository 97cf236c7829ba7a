"""State of the simulators in one small SQLite file: documents by kind and key, and a journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

JOURNAL_KEPT = 500

Document = dict[str, Any]


class Store:
    """Documents and journal. Each write is committed at once; calls are short and synchronous."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS document (kind TEXT, key TEXT, body TEXT NOT NULL,"
            " number INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (kind, key))"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY AUTOINCREMENT,"
            " at TEXT NOT NULL, simulator TEXT NOT NULL, title TEXT NOT NULL, detail TEXT NOT NULL)"
        )

    def close(self) -> None:
        self._db.close()

    def get(self, kind: str, key: str) -> Document | None:
        row = self._db.execute(
            "SELECT body FROM document WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, kind: str, key: str, body: Document) -> None:
        self._db.execute(
            "INSERT INTO document (kind, key, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(body, ensure_ascii=False)),
        )

    def put_many(self, kind: str, bodies: dict[str, Document]) -> None:
        """Write many documents in one transaction, for seeding."""
        self._db.execute("BEGIN")
        try:
            for key, body in bodies.items():
                self.put(kind, key, body)
        except sqlite3.Error:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def all(self, kind: str) -> Iterator[Document]:
        """Every document of a kind, oldest first."""
        rows = self._db.execute(
            "SELECT body FROM document WHERE kind = ? ORDER BY number", (kind,)
        ).fetchall()
        return (json.loads(body) for (body,) in rows)

    def count(self, kind: str) -> int:
        row = self._db.execute("SELECT count(*) FROM document WHERE kind = ?", (kind,)).fetchone()
        return int(row[0])

    def newest(self, kind: str, limit: int) -> list[Document]:
        rows = self._db.execute(
            "SELECT body FROM document WHERE kind = ? ORDER BY number DESC LIMIT ?", (kind, limit)
        ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def note(self, at: datetime, simulator: str, title: str, detail: Document) -> None:
        """Add a line to the journal, which keeps its newest entries."""
        number = self._db.execute(
            "INSERT INTO journal (at, simulator, title, detail) VALUES (?, ?, ?, ?)",
            (at.isoformat(), simulator, title, json.dumps(detail, ensure_ascii=False)),
        ).lastrowid
        self._db.execute("DELETE FROM journal WHERE number <= ?", ((number or 0) - JOURNAL_KEPT,))

    def journal(self, limit: int) -> list[Document]:
        rows = self._db.execute(
            "SELECT number, at, simulator, title, detail FROM journal ORDER BY number DESC LIMIT ?",
            (limit,),
        ).fetchall()
        names = ("number", "at", "simulator", "title", "detail")
        return [
            {**dict(zip(names, row, strict=True)), "detail": json.loads(row[4])} for row in rows
        ]
