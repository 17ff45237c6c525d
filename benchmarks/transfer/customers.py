"""Customers as an old CRM has them: 18 columns, Hungarian names, empty fields, line breaks in notes. The same ones every time."""

# ruff: noqa: INP001 - a script's part

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

_FIRST: Final = ("László", "Zsófia", "Ágnes", "Gábor", "Őrs", "Éva", "Tünde", "Péter", "Katalin", "Ádám", "Błażej", "Nguyễn")
_LAST: Final = ("Nagy", "Kovács", "Tóth", "Szabó", "Horváth", "Varga", "Kiss", "Molnár", "Németh", "Űrhegyi", "O'Neill", "Müller")
_CITIES: Final = ("Budapest", "Győr", "Pécs", "Szeged", "Debrecen", "Székesfehérvár", "Kőszeg")
_STATUS: Final = ("active", "active", "active", "suspended", "closed")
_WORDS: Final = ("ügyfél", "hívott", "visszahívás", "számla", "késik", "\\", '"sürgős"', "ok", "tariff", "😀", "modem", "csere")
_COLUMNS: Final = (
    "id bigint not null primary key",
    "external_ref varchar(20) not null",
    "kind char(1) not null",
    "first_name varchar(60)",
    "last_name varchar(60) not null",
    "company varchar(120)",
    "email varchar(120)",
    "phone varchar(24)",
    "birth_date date",
    "street varchar(120)",
    "city varchar(60)",
    "postcode varchar(10)",
    "credit_limit decimal(12,2) not null",
    "is_vip smallint not null",
    "status varchar(16) not null",
    "notes text",
    "created_at {moment}(6) not null",
    "updated_at {moment}(6) not null",
)


def definition(dialect: str) -> str:
    """The table as *dialect* makes it."""
    moment = "timestamp" if dialect == "postgresql" else "datetime"
    options = " character set utf8mb4" if dialect == "mysql" else ""
    columns = ", ".join(_COLUMNS).format(moment=moment)
    return f"create table customers ({columns}){options}"


def rows(count: int) -> Iterator[tuple[str | None, ...]]:
    """*count* customers, one key in ten left out."""
    dice = random.Random(20270313)  # noqa: S311 - data
    born, made = date(1940, 1, 1), datetime(2005, 1, 1)  # noqa: DTZ001 - as the old system keeps them
    for number in range(1, count + 1):
        identity = number + number // 9
        business = dice.random() < 0.1  # noqa: PLR2004
        created = made + timedelta(seconds=dice.randrange(600_000_000), microseconds=dice.randrange(1_000_000))
        note = " ".join(dice.choices(_WORDS, k=dice.randrange(3, 25))) if number % 4 == 0 else None
        yield (
            str(identity),
            f"MT{number * 7919 % 10_000_000:010d}",
            "B" if business else "P",
            None if business else dice.choice(_FIRST),
            dice.choice(_LAST),
            f'Vállalkozás {number} Kft. "Ügyes" \\ Tsa.' if business else None,
            f"User{number}@Example{number % 50}.hu" if dice.random() < 0.8 else None,  # noqa: PLR2004
            f"+36 {20 + number % 50} {number * 31 % 10_000_000:07d}",
            None if business else (born + timedelta(days=dice.randrange(25_000))).isoformat(),
            f"Fő utca {number % 300}. {number % 9}/{number % 4}",
            dice.choice(_CITIES),
            f"{1000 + number % 8999}",
            f"{dice.randrange(1_000_000)}.{dice.randrange(100):02d}",
            "1" if number % 50 == 0 else "0",
            dice.choice(_STATUS),
            note and note.replace(" ok ", "\n"),
            created.isoformat(" ", "microseconds"),
            (created + timedelta(days=dice.randrange(900))).isoformat(" ", "microseconds"),
        )


def write(path: Path, count: int) -> None:
    """A file that both PostgreSQL's COPY and MariaDB's LOAD DATA read."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows(count):
            file.write("\t".join("\\N" if value is None else _escaped(value) for value in row) + "\n")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
