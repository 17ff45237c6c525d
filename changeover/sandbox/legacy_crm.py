"""The old CRM of the fixed-line business: few constraints, twenty years of habits."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy

from changeover.sandbox import loading
from changeover.sandbox.population import Population

COLUMNS: Final = {
    "products": ("id", "code", "name", "monthly_fee", "sold", "retired_on"),
    "customers": (
        *("id", "customer_number", "name", "birth_date", "email", "phone", "language", "postcode", "city", "street"),
        *("status", "credit_limit", "note", "created_at", "updated_at"),
    ),
    "services": ("id", "customer_id", "product_id", "line_number", "status", "installed_on", "ended_on", "discount"),
    "payment_methods": ("id", "customer_id", "kind", "iban", "card", "valid_until", "preferred"),
    "invoices": ("id", "customer_id", "number", "issued_on", "due_on", "total", "paid", "status"),
}

#: Types are MariaDB's; SQLite takes the same words by its affinities.
_TABLES: Final = (
    """create table settings (name varchar(40) not null primary key, value varchar(200) not null)""",
    """create table products (
        id bigint not null primary key, code varchar(20) not null, name varchar(120) not null,
        monthly_fee decimal(10,2) not null, sold tinyint not null, retired_on date null)""",
    """create table customers (
        id bigint not null primary key, customer_number varchar(12) not null, name varchar(160) not null,
        birth_date date null, email varchar(160) null, phone varchar(30) null, language char(2) not null,
        postcode varchar(10) not null, city varchar(80) not null, street varchar(160) not null,
        status varchar(12) not null, credit_limit decimal(12,2) null, note text null,
        created_at datetime not null, updated_at datetime not null)""",
    """create table services (
        id bigint not null primary key, customer_id bigint not null, product_id bigint not null,
        line_number varchar(20) not null, status varchar(12) not null, installed_on date not null,
        ended_on date null, discount decimal(5,2) not null)""",
    """create table payment_methods (
        id bigint not null primary key, customer_id bigint not null, kind varchar(12) not null,
        iban varchar(34) null, card varchar(24) null, valid_until date null, preferred tinyint not null)""",
    """create table invoices (
        id bigint not null primary key, customer_id bigint not null, number varchar(30) not null,
        issued_on date not null, due_on date not null, total decimal(12,2) not null,
        paid decimal(12,2) not null, status varchar(12) not null)""",
)
_INDEXES: Final = (
    "create index services_by_customer on services (customer_id)",
    "create index payment_methods_by_customer on payment_methods (customer_id)",
    "create index invoices_by_customer on invoices (customer_id)",
    "create index customers_by_number on customers (customer_number)",
)
_SETTINGS: Final = (
    "insert into settings (name, value) values ('orders', 'accepted')",
    "insert into settings (name, value) values ('version', '4.9.3')",
)


def build(engine: sqlalchemy.Engine, people: Population, *, folder: Path) -> None:
    """Make the tables and fill them."""
    loading.run_statements(engine, (*_TABLES, *_SETTINGS))
    for table, rows in people.tables():
        loading.load(engine, table, COLUMNS[table], rows, folder=folder)
    loading.run_statements(engine, _INDEXES)
