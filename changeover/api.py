"""All that checks, rollback functions and a team's own step kinds may import.

::

    from changeover.api import Context, Verdict, count_rows

    def nobody_is_lost(context: Context, *, source: str, target: str) -> Verdict:
        \"\"\"Every customer of the source is in the target.\"\"\"
        expected = count_rows(context.database(source), "customers")
        found = count_rows(context.database(target), "customers")
        return Verdict.of(found == expected, f"{found} of {expected} customers arrived", expected=expected, found=found)
"""

from __future__ import annotations

from changeover.contracts import (
    Answer,
    Asking,
    ChannelName,
    Completed,
    Context,
    Database,
    DatabaseName,
    FileName,
    Found,
    FunctionName,
    Host,
    HostName,
    Mode,
    OnUnknown,
    PersonName,
    Probe,
    Probing,
    Question,
    QuestionForm,
    Result,
    ServiceName,
    ShellText,
    StepKind,
    StepName,
    Uploaded,
    Validating,
    Value,
    Verdict,
    key,
    step_kind,
)
from changeover.counting import counted
from changeover.errors import ChangeoverError, Mistake, Setback, Stopped, TimedOut, Unclear
from changeover.remote.errors import HostVerdict
from changeover.remote.fleet import Outcome, on_each
from changeover.transfer.mapping import Swap
from changeover.transfer.questions import (
    Checksum,
    Orphans,
    Selection,
    aggregates,
    checksum,
    checksums_of_pair,
    count_rows,
    duplicates,
    orphans,
    rejected_rows,
    sampled,
)
from changeover.transfer.reconcile.asking import Asked, Reconciliation
from changeover.transfer.reconcile.words import Contradiction, Routes, TablePair, Witness
from changeover.transfer.restoring import put_back, save_rows
from changeover.transfer.swapping import swap_in

__all__ = [
    "Answer",
    "Asked",
    "Asking",
    "ChangeoverError",
    "ChannelName",
    "Checksum",
    "Completed",
    "Context",
    "Contradiction",
    "Database",
    "DatabaseName",
    "FileName",
    "Found",
    "FunctionName",
    "Host",
    "HostName",
    "HostVerdict",
    "Mistake",
    "Mode",
    "OnUnknown",
    "Orphans",
    "Outcome",
    "PersonName",
    "Probe",
    "Probing",
    "Question",
    "QuestionForm",
    "Reconciliation",
    "Result",
    "Routes",
    "Selection",
    "ServiceName",
    "Setback",
    "ShellText",
    "StepKind",
    "StepName",
    "Stopped",
    "Swap",
    "TablePair",
    "TimedOut",
    "Unclear",
    "Uploaded",
    "Validating",
    "Value",
    "Verdict",
    "Witness",
    "aggregates",
    "checksum",
    "checksums_of_pair",
    "count_rows",
    "counted",
    "duplicates",
    "key",
    "on_each",
    "orphans",
    "put_back",
    "rejected_rows",
    "sampled",
    "save_rows",
    "step_kind",
    "swap_in",
]
