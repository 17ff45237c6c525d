from __future__ import annotations

from collections import Counter

from changeover.sandbox import legacy_crm, new_crm, population
from changeover.sandbox.population import FIRST_FIXED, ZERO_DATE, Population


def fixed() -> Population:
    return population.fixed_line(2_000)


def test_the_same_seed_makes_the_same_people() -> None:
    assert population.fixed_line(300) == population.fixed_line(300)
    assert population.mobile(50) == population.mobile(50)


def test_every_row_fills_the_columns_of_its_table() -> None:
    for columns, people in ((legacy_crm.COLUMNS, population.fixed_line(100)), (new_crm.COLUMNS, population.mobile(50))):
        for table, rows in people.tables():
            assert {len(row) for row in rows} == {len(columns[table])}, table


def test_the_old_data_have_the_faults_of_real_ones() -> None:
    people = fixed()
    births = [row[3] for row in people.customers]
    emails = [row[4] for row in people.customers]
    assert ZERO_DATE in births
    assert None in births
    assert any(isinstance(email, str) and email != email.strip().lower() for email in emails)
    assert any(row[10] == "test" for row in people.customers)
    assert any(row[5] == ZERO_DATE for row in people.services)
    assert max(Counter(row[2:6] for row in people.customers).values()) > 1, "no double"
    known = {row[0] for row in people.customers}
    assert any(row[1] not in known for row in people.services), "no orphan"
    assert any(row[7] == "dunning" for row in people.invoices), "no arrears"


def test_names_are_hungarian_and_ukrainian() -> None:
    names = " ".join(str(row[2]) for row in fixed().customers)
    assert any(letter in names for letter in "őűŐŰ")
    assert any(letter in names for letter in "їєґЇЄҐ")


def test_mobile_customers_stand_clear_of_the_keys_that_come() -> None:
    people = population.mobile(200)
    assert max(int(row[0] or 0) for rows in (people.customers, people.services, people.invoices) for row in rows) < FIRST_FIXED
    numbers = {row[1] for row in people.customers} | {row[1] for row in fixed().customers}
    assert len(numbers) == 2_200


def test_numbers_are_unique_where_the_new_crm_insists() -> None:
    people = fixed()
    assert len({row[1] for row in people.customers}) == len(people.customers)
    assert len({row[2] for row in people.invoices}) == len(people.invoices)


def test_the_cloud_contradicts_some_of_those_it_knows() -> None:
    people = fixed()
    told = population.in_the_cloud(people)
    ours = {str(row[1]): dict(zip(("name", "birth_date", "email", "phone"), row[2:6], strict=True)) for row in people.customers}
    contradicted = [number for number, record in told.items() if record != ours[number]]
    assert len(told) == 200
    assert 10 < len(contradicted) < 100


def test_ibans_have_their_check_digits() -> None:
    ibans = [str(row[3]) for row in fixed().payment_methods if row[3]]
    assert ibans
    for iban in ibans:
        turned = iban[4:] + "".join(str(int(letter, 36)) for letter in iban[:2]) + iban[2:4]
        assert int(turned) % 97 == 1
