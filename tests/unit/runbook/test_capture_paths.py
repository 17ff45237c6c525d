from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.runbook import capture_paths

OUTPUT = {"id": 7, "hosts": [{"name": "app-1"}, {"name": "app-2"}], "nothing": None}


@pytest.mark.parametrize(
    ("path", "value"),
    [("$", OUTPUT), ("$.id", 7), ("$.hosts[1].name", "app-2"), ("$.hosts[0]", {"name": "app-1"}), ("$.nothing", None)],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    assert capture_paths.extract(path, OUTPUT) == value


@pytest.mark.parametrize("path", ["", "id", "$id", "$.", "$..id", "$.a[", "$.a[x]", "$.a[-1]", "$['id']", "$.*", "$.a b"])
def test_nothing_more_than_that_is_a_path(path: str) -> None:
    with pytest.raises(capture_paths.CapturePathInvalid):
        capture_paths.parse(path)


@pytest.mark.parametrize(
    ("path", "missing", "has"),
    [
        ("$.hosts[2]", "$.hosts[2]", "a list of 2"),
        ("$.id.x", "$.id.x", "a int"),
        ("$.ids", "$.ids", "id, hosts, nothing"),
        ("$.nothing.x", "$.nothing.x", "nothing"),
        ("$[0]", "$[0]", "a mapping"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(path: str, missing: str, has: str) -> None:
    with pytest.raises(capture_paths.OutputLacks) as lacks:
        capture_paths.extract(path, OUTPUT)
    assert lacks.value.missing == missing
    assert has in str(lacks.value)


@given(st.text(max_size=30))
def test_no_text_escapes_as_another_exception(text: str) -> None:
    try:
        capture_paths.extract(text, OUTPUT)
    except (capture_paths.CapturePathInvalid, capture_paths.OutputLacks) as refused:
        assert refused.hint  # noqa: PT017 - either way is fine
