"""The customers of the sandbox: the same seed makes the same people, with the faults that real data have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from changeover.sandbox.names import FIXED_PRODUCTS, HUNGARY, MOBILE_PRODUCTS, NOTES, UKRAINE, Country

#: How an old system wrote "we do not know when".
ZERO_DATE: Final = "0000-00-00"

#: The first key of fixed-line rows: mobile customers stay below it, so nobody's key has to change.
FIRST_FIXED: Final = 700_001

#: A column's value as it is loaded.
Cell = str | int | None
Row = tuple[Cell, ...]

_SEED: Final = 20270313
_TODAY: Final = date(2027, 3, 13)
_LATIN: Final = str.maketrans(
    {
        **dict(zip("áéíóöőúüűÁÉÍÓÖŐÚÜŰ", "aeiooouuuAEIOOOUUU", strict=True)),
        **dict(zip("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя'", "abvhgdeezzyiijklmnoprstufhccsseua.", strict=True)),
    }
)


@dataclass(frozen=True, slots=True)
class Population:
    """All rows of one company, by table: the columns stand beside the tables' definitions."""

    products: list[Row]
    customers: list[Row]
    services: list[Row]
    payment_methods: list[Row]
    invoices: list[Row]

    def tables(self) -> Iterator[tuple[str, list[Row]]]:
        """Its tables, parents first."""
        yield "products", self.products
        yield "customers", self.customers
        yield "services", self.services
        yield "payment_methods", self.payment_methods
        yield "invoices", self.invoices


def fixed_line(customers: int) -> Population:
    """The old CRM's people: with NULLs, zero dates, duplicates, test customers, and services of nobody."""
    maker = _Maker(random.Random(_SEED), FIRST_FIXED)  # noqa: S311 - repeatable on purpose
    people: list[Row] = []
    for place in range(customers):
        if place > 10 and maker.chance(0.01):  # noqa: PLR2004 - somebody must be there to be doubled
            people.append(maker.double(people[maker.random.randrange(len(people))]))
        else:
            people.append(maker.fixed_customer())
    products: list[Row] = [
        (number, code, name, fee, int(sold), None if sold else "2019-06-30")
        for number, (code, name, fee, sold) in enumerate(FIXED_PRODUCTS, start=101)
    ]
    services, methods, invoices = maker.belongings(people, products, zero_dates=True)
    for _ in range(customers // 500):  # orphans: their customer was deleted by hand years ago
        services.append(maker.service(FIRST_FIXED + 9_000_000, 101, zero_dates=True))
    return Population(products, people, services, methods, invoices)


def mobile(customers: int) -> Population:
    """Who was in the new CRM before: clean, and none of them may change in the night."""
    maker = _Maker(random.Random(_SEED + 1), 1)  # noqa: S311 - repeatable on purpose
    people = [maker.mobile_customer() for _ in range(customers)]
    products: list[Row] = [
        (number, code, "mobile", name, fee, "true" if sold else "false")
        for number, (code, name, fee, sold) in enumerate(MOBILE_PRODUCTS, start=1)
    ]
    services, methods, invoices = maker.belongings(people, products, zero_dates=False)
    return Population(products, people, services, methods, invoices)


def in_the_cloud(population: Population) -> dict[str, dict[str, Cell]]:
    """What a second CRM says of every tenth of them: about one in five of these contradicts the first."""
    chance = random.Random(_SEED + 2)  # noqa: S311 - repeatable on purpose
    told: dict[str, dict[str, Cell]] = {}
    for row in population.customers[::10]:
        _, number, name, birth, email, phone = row[:6]
        record: dict[str, Cell] = {"name": name, "birth_date": birth, "email": email, "phone": phone}
        if chance.random() < 0.2:  # noqa: PLR2004
            field = chance.choice(("name", "email", "phone"))
            record[field] = {
                "name": str(name).upper(),
                "email": f"old.{email or 'address@posta.example'}".strip().lower(),
                "phone": "+3612345678",
            }[field]
        told[str(number)] = record
    return told


class _Maker:
    """Makes rows; every number comes from one seeded source."""

    def __init__(self, source: random.Random, first: int) -> None:
        self.random = source
        self._next = dict.fromkeys(("customer", "service", "method", "invoice"), first)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def fixed_customer(self) -> Row:
        country = UKRAINE if self.chance(0.15) else HUNGARY
        number = self._number("customer")
        name = self._name(country, doctor=self.chance(0.02))
        email = None if self.chance(0.3) else self._email(name, country, number)
        if email is not None and self.chance(0.08):
            email = f" {email.upper()} "
        status = self.random.choices(("active", "suspended", "closed", "test"), (90, 5, 4.5, 0.5))[0]
        created = self._moment(1994, 2026)
        return (
            number,
            f"F{number:09d}",
            name,
            self._birth(zero=True),
            email,
            None if self.chance(0.1) else f"{country.dialling}{self.random.randrange(10**6, 10**7)}",
            country.language,
            *self._address(country),
            status,
            None if self.chance(0.4) else f"{self.random.randrange(0, 200_000)}.{self.random.randrange(100):02d}",
            self.random.choice(NOTES) if self.chance(0.12) else None,
            created,
            created if self.chance(0.5) else self._moment(2026, 2027),
        )

    def double(self, original: Row) -> Row:
        """The same person once more: another agent did not find them and opened a second account."""
        number = self._number("customer")
        return (number, f"F{number:09d}", *original[2:])

    def mobile_customer(self) -> Row:
        country = UKRAINE if self.chance(0.1) else HUNGARY
        number = self._number("customer")
        name = self._name(country, doctor=False)
        return (
            number,
            f"M{number:09d}",
            "mobile",
            name,
            self._birth(zero=False),
            self._email(name, country, number),
            f"+3620{self.random.randrange(10**6, 10**7)}",
            country.language,
            *self._address(country),
            self.random.choices(("ACTIVE", "SUSPENDED", "CLOSED"), (92, 5, 3))[0],
            self.random.randrange(0, 5_000_000),
            None,
            self._moment(2012, 2026),
        )

    def belongings(self, people: list[Row], products: list[Row], *, zero_dates: bool) -> tuple[list[Row], list[Row], list[Row]]:
        """Services, payment methods and invoices of everybody."""
        services: list[Row] = []
        methods: list[Row] = []
        invoices: list[Row] = []
        codes = [product[0] for product in products]
        for person in people:
            owner = person[0]
            services.extend(
                self.service(owner, self.random.choice(codes), zero_dates=zero_dates)
                for _ in range(self.random.choices((0, 1, 2, 3), (5, 50, 35, 10))[0])
            )
            methods.extend(self._method(owner, place, zero_dates=zero_dates) for place in range(2 if self.chance(0.1) else 1))
            invoices.extend(self._invoice(owner, months) for months in range(self.random.choices((2, 4, 6), (30, 50, 20))[0]))
        return services, methods, invoices

    def service(self, customer: Cell, product: Cell, *, zero_dates: bool) -> Row:
        ended = self.chance(0.08)
        installed: Cell = ZERO_DATE if zero_dates and self.chance(0.03) else self._day(1995, 2026)
        return (
            self._number("service"),
            customer,
            product,
            f"+361{self.random.randrange(10**6, 10**7)}",
            "ended" if ended else "active",
            installed,
            self._day(2019, 2026) if ended else None,
            self.random.choice(("0.00", "0.00", "0.00", "5.00", "12.50")),
        )

    def _method(self, customer: Cell, place: int, *, zero_dates: bool) -> Row:
        kind = self.random.choices(("transfer", "card", "cheque"), (45, 40, 15))[0]
        until: Cell = self._day(2027, 2031) if kind == "card" else None
        if zero_dates and kind == "cheque" and self.chance(0.2):
            until = ZERO_DATE
        return (
            self._number("method"),
            customer,
            kind,
            self._iban() if kind == "transfer" else None,
            f"**** **** **** {self.random.randrange(10_000):04d}" if kind == "card" else None,
            until,
            int(place == 0),
        )

    def _invoice(self, customer: Cell, months: int) -> Row:
        number = self._number("invoice")
        issued = _TODAY.replace(day=1) - timedelta(days=30 * months + 5)
        total = self.random.randrange(99_000, 2_500_000)
        arrears = self.chance(0.07)
        paid = 0 if arrears and self.chance(0.7) else total // 3 if arrears else total
        return (
            number,
            customer,
            f"{issued:%Y%m}/{number}",
            issued.isoformat(),
            (issued + timedelta(days=15)).isoformat(),
            f"{total // 100}.{total % 100:02d}",
            f"{paid // 100}.{paid % 100:02d}",
            ("dunning" if months > 1 else "open") if arrears else "paid",
        )

    def _number(self, sort: str) -> int:
        number = self._next[sort]
        self._next[sort] = number + 1
        return number

    def _name(self, country: Country, *, doctor: bool) -> str:
        name = f"{self.random.choice(country.families)} {self.random.choice(country.givens)}"
        return f"dr. {name}" if doctor else name

    def _email(self, name: str, country: Country, number: int) -> str:
        plain = name.lower().translate(_LATIN).replace("dr. ", "").replace(". ", ".").replace(" ", ".")
        return f"{plain}{number % 1000}@{self.random.choice(country.domains)}"

    def _address(self, country: Country) -> tuple[Cell, Cell, Cell]:
        postcode, city = self.random.choice(country.cities)
        house = f"{self.random.choice(country.streets)} {self.random.randrange(1, 160)}."
        if self.chance(0.4):
            house += f" {self.random.randrange(1, 11)}/{self.random.randrange(1, 30)}"
        return postcode, city, house

    def _birth(self, *, zero: bool) -> Cell:
        if zero and self.chance(0.04):
            return ZERO_DATE
        return None if zero and self.chance(0.05) else self._day(1930, 2008)

    def _day(self, first: int, last: int) -> str:
        return f"{self.random.randrange(first, last)}-{self.random.randrange(1, 13):02d}-{self.random.randrange(1, 29):02d}"

    def _moment(self, first: int, last: int) -> str:
        seconds = self.random.randrange(86_400)
        return f"{self._day(first, last)} {datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"

    def _iban(self) -> str:
        account = "".join(self.random.choices("0123456789", k=24))
        check = 98 - int(f"{account}173000") % 97  # H = 17, U = 30
        return f"HU{check:02d}{account}"
