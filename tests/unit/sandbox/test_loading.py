from __future__ import annotations

from pathlib import Path

import sqlalchemy

from changeover.sandbox import legacy_crm, loading, new_crm, population


def test_text_marks_what_would_break_a_line() -> None:
    assert loading.as_text([("a\tb", None, 1), ("c\\d\n", "", 2)]) == "a\\tb\t\\N\t1\nc\\\\d\\n\t\t2\n"


def test_both_crms_can_be_built_in_sqlite(tmp_path: Path) -> None:
    for module, people in ((legacy_crm, population.fixed_line(60)), (new_crm, population.mobile(30))):
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / module.__name__}.sqlite")
        module.build(engine, people, folder=tmp_path)
        with engine.connect() as connection:
            for table, rows in people.tables():
                found = connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()  # noqa: S608 - fixed words
                assert found == len(rows), table
        engine.dispose()


def test_a_forgotten_filter_hides_fixed_lines_until_it_is_mended(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'crm.sqlite'}")
    new_crm.build(engine, population.mobile(30), folder=tmp_path)
    fixed = """insert into customers
        (id, number, segment, full_name, language, postcode, city, street, status, credit_minor, created_at)
        values (700001, 'F1', 'fixed', 'Őry Ágnes', 'hu', '1011', 'Budapest', 'Fő utca 1.', 'ACTIVE', 0, '2020-01-01')"""
    loading.run_statements(engine, [fixed])

    def seen() -> int:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql("select count(*) from customer_card").scalar_one())

    assert seen() == 31
    new_crm.forget_fixed_lines(engine)
    assert seen() == 30
    new_crm.remember_fixed_lines(engine)
    assert seen() == 31
    engine.dispose()
