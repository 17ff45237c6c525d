"""``sql``: statements on a database of the systems file, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from changeover.contracts import Context, DatabaseName, Found, OnUnknown, Probe, Result, Value, key, step_kind
from changeover.steps.dry_run import as_things_stand, would
from changeover.steps.references import takes_values
from changeover.steps.statements import Expectation

_COMMENTS: Final = re.compile(r"\s*(--[^\n]*(\n|$)|/\*.*?\*/|\(|\s)", re.DOTALL)
_READING: Final = {"select", "show", "values", "table", "describe", "desc", "with", "explain"}
_BOUND: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")  # as SQLAlchemy sees it
_WRITES: Final = re.compile(r"\b(insert|update|delete|merge|into|analyze)\b", re.IGNORECASE)
_WRITES_IN_SELECT: Final = re.compile(r"\binto\b", re.IGNORECASE)


@step_kind("sql", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Sql:
    """Run SQL on a database.

    All statements run in one transaction, which is committed only when everything that is expected came out. Values are
    bound (`:name`), never written into the text. When the step has to stop, the statement is cancelled at the server.

    Output: the rows of the last statement as a list of mappings, at most 1,000; `{affected}` when it returns none.

    Dry run: statements that only read are run; others are only shown, and the database has to let us in.

    It may have happened (the connection was lost while something changed): with `marker: true` the database knows, for a
    row in its table `changeover_marker` belongs to the transaction; without it people are asked. Reading runs again.
    """

    on: DatabaseName = key("the database")
    statements: str | tuple[str, ...] = key("one statement, or a list of them", word="run")
    values: Mapping[str, Value] = key("values for `:name` in the statements", default_factory=dict)
    expect: Expectation = key("what has to come out", default_factory=Expectation)
    marker: bool = key(
        "write a row into the table `changeover_marker` in the same transaction (the user may have to create it)", default=False
    )
    changing: bool | None = key("whether it changes anything; left out: the first words tell", word="changes", default=None)

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return any(not reads_only(text) for text in self.texts) if self.changing is None else self.changing

    @property
    def texts(self) -> tuple[str, ...]:
        """The statements, without a semicolon at the end."""
        written = (self.statements,) if isinstance(self.statements, str) else self.statements
        return tuple(text.strip().removesuffix(";") for text in written)

    @property
    def on_unknown(self) -> OnUnknown:
        """Reading again is harmless; a marker is believed; otherwise people find out."""
        if not self.changes:
            return OnUnknown.RERUN
        return OnUnknown.PROBE if self.marker else OnUnknown.ASK

    def problems(self) -> Iterable[str]:
        """There are statements, and no value is written into their text."""
        if not self.texts or not all(self.texts):
            yield "`run` holds an empty statement"
        if any(takes_values(text) for text in self.texts):
            yield "a value written into SQL can become SQL: write `:name` there and `name: ${...}` under `values`"
        if self.marker and self.changing is False:
            yield "`marker` is for statements that change something, and `changes: false` says that these do not"
        if self.values:  # a whole `${...}` in their place is empty until the run
            bound = {name for text in self.texts for name in _BOUND.findall(text)}
            yield from (f"`:{name}` stands in a statement, and has no value under `values`" for name in bound - set(self.values))
            yield from (f"the value `{name}` is used in no statement" for name in set(self.values) - bound)

    def run(self, context: Context) -> Result:
        """Run them all or none."""
        from changeover.steps.transaction import carry_out  # noqa: PLC0415 - loads SQLAlchemy

        return carry_out(context, self)

    def probe(self, context: Context) -> Probe:
        """Fence the attempt off at the database, and look for its marker."""
        if not self.marker:
            return Probe(Found.CANNOT_TELL, "it left no marker: `marker: true` was not written")
        from changeover.steps.transaction import look  # noqa: PLC0415 - loads SQLAlchemy

        return look(context, self.on)

    def dry_run(self, context: Context) -> Result:
        """Read; or show, and see whether the database lets us in."""
        if not self.changes:
            return as_things_stand(lambda: self.run(context))
        context.database(self.on).scalar("select 1")
        return would(f"run on {self.on}: {'; '.join(' '.join(text.split()) for text in self.texts)}")


def reads_only(statement: str) -> bool:
    """Whether the first word of *statement*, comments left out, only reads. In doubt it changes something."""
    text = statement
    while (match := _COMMENTS.match(text)) is not None:
        text = text[match.end() :]
    word = re.match(r"[a-z]*", text.lower())
    if word is None or word[0] not in _READING:
        return False
    writes = _WRITES if word[0] in {"with", "explain"} else _WRITES_IN_SELECT
    return writes.search(_without_texts(text)) is None


def _without_texts(statement: str) -> str:
    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`", "''", statement)
