"""The new CRM: it serves mobile customers already, and its constraints let no nonsense in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy

from changeover.sandbox import loading
from changeover.sandbox.population import Population

COLUMNS: Final = {
    "products": ("id", "code", "line", "name", "monthly_fee", "sold"),
    "customers": (
        *("id", "number", "segment", "full_name", "birth_date", "email", "phone", "language", "postcode", "city", "street"),
        *("status", "credit_minor", "note", "created_at"),
    ),
    "services": ("id", "customer_id", "product_id", "line_number", "status", "installed_on", "ended_on", "discount"),
    "payment_methods": ("id", "customer_id", "kind", "iban", "card", "valid_until", "preferred"),
    "invoices": ("id", "customer_id", "number", "issued_on", "due_on", "total", "paid", "status"),
}

_TABLES: Final = (
    """create table products (
        id bigint not null primary key, code text not null unique,
        line text not null check (line in ('mobile', 'fixed')), name text not null check (name <> ''),
        monthly_fee numeric(10,2) not null check (monthly_fee >= 0), sold boolean not null)""",
    """create table customers (
        id bigint not null primary key, number text not null unique,
        segment text not null check (segment in ('mobile', 'fixed')), full_name text not null check (full_name <> ''),
        birth_date date, email text, phone text, language text not null check (length(language) = 2),
        postcode text not null, city text not null, street text not null,
        status text not null check (status in ('ACTIVE', 'SUSPENDED', 'CLOSED')),
        credit_minor bigint not null check (credit_minor >= 0), note text, created_at timestamp not null)""",
    """create table services (
        id bigint not null primary key, customer_id bigint not null references customers (id),
        product_id bigint not null references products (id), line_number text not null,
        status text not null check (status in ('active', 'ended')), installed_on date, ended_on date,
        discount numeric(5,2) not null check (discount between 0 and 100))""",
    """create table payment_methods (
        id bigint not null primary key, customer_id bigint not null references customers (id),
        kind text not null check (kind in ('transfer', 'card', 'cheque')), iban text, card text,
        valid_until date, preferred smallint not null)""",
    """create table invoices (
        id bigint not null primary key, customer_id bigint not null references customers (id),
        number text not null unique, issued_on date not null, due_on date not null,
        total numeric(12,2) not null, paid numeric(12,2) not null check (paid <= total),
        status text not null check (status in ('paid', 'open', 'dunning')))""",
)
_INDEXES: Final = (
    "create index services_by_customer on services (customer_id)",
    "create index payment_methods_by_customer on payment_methods (customer_id)",
    "create index invoices_by_customer on invoices (customer_id)",
)

#: What every front end shows of a customer. The view is the front ends' contract with the CRM.
_CARD: Final = """create view customer_card as
    select c.number, c.segment, c.full_name as name, c.status,
           (select count(*) from services s where s.customer_id = c.id and s.status = 'active') as services,
           (select coalesce(sum(i.total - i.paid), 0) from invoices i where i.customer_id = c.id) as arrears
    from customers c"""


def build(engine: sqlalchemy.Engine, people: Population, *, folder: Path) -> None:
    """Make the tables and fill them."""
    loading.run_statements(engine, _TABLES)
    for table, rows in people.tables():
        loading.load(engine, table, COLUMNS[table], rows, folder=folder)
    loading.run_statements(engine, (*_INDEXES, _CARD))


def forget_fixed_lines(engine: sqlalchemy.Engine) -> None:
    """Somebody forgot a filter in the view: the front ends see mobile customers only."""
    loading.run_statements(engine, ("drop view customer_card", f"{_CARD} where c.segment = 'mobile'"))


def remember_fixed_lines(engine: sqlalchemy.Engine) -> None:
    """Mend the view."""
    loading.run_statements(engine, ("drop view customer_card", _CARD))
