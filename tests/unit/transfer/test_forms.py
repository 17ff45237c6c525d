from __future__ import annotations

import pytest

from changeover.transfer.forms import Form, form_of
from changeover.transfer.shapes import Column, Sort


def column(sort: Sort, precision: int | None = None, scale: int | None = None) -> Column:
    return Column("c", sort, sort.value, precision=precision, scale=scale)


MONEY = column(Sort.DECIMAL, precision=12, scale=2)
CENTS = column(Sort.DECIMAL, precision=14, scale=4)
ANY = column(Sort.DECIMAL)


@pytest.mark.parametrize(
    ("one", "two", "form"),
    [
        (column(Sort.TEXT), column(Sort.TEXT), Form.TEXT),
        (column(Sort.TEXT), column(Sort.UUID), Form.TEXT),
        (column(Sort.BINARY), column(Sort.BINARY), Form.BYTES),
        (column(Sort.INTEGER), column(Sort.INTEGER), Form.WHOLE),
        (column(Sort.BOOLEAN), column(Sort.INTEGER), Form.WHOLE),
        (column(Sort.INTEGER), MONEY, Form.NUMBER),
        (MONEY, MONEY, Form.FIXED),
        (MONEY, CENTS, Form.NUMBER),
        (MONEY, ANY, Form.NUMBER),
        (ANY, ANY, Form.NUMBER),
        (column(Sort.DATE), column(Sort.DATE), Form.DAY),
        (column(Sort.DATETIME), column(Sort.DATETIME), Form.MOMENT),
        (column(Sort.DATE), column(Sort.DATETIME), Form.DAY_OR_MOMENT),
        (column(Sort.FLOAT), column(Sort.FLOAT), None),
        (column(Sort.TEXT), column(Sort.INTEGER), None),
        (column(Sort.TEXT), column(Sort.DATE), None),
        (column(Sort.JSON), column(Sort.JSON), None),
        (column(Sort.TIME), column(Sort.TIME), None),
        (column(Sort.BIT), column(Sort.BIT), None),
    ],
)
def test_only_what_every_server_writes_alike_is_compared_as_text(one: Column, two: Column, form: Form | None) -> None:
    assert form_of(one, two, alike=True) is form
    assert form_of(two, one, alike=True) is form


def test_digits_that_a_system_does_not_keep_as_declared_are_trimmed() -> None:
    assert form_of(MONEY, MONEY, alike=False) is Form.NUMBER
    assert form_of(column(Sort.DATETIME), column(Sort.DATETIME), alike=False) is Form.DAY_OR_MOMENT
    assert form_of(column(Sort.DATE), column(Sort.DATE), alike=False) is Form.DAY_OR_MOMENT
