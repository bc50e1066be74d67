from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpt_image2.cluster.store.money import SharedBudget, read_books
from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.core.base.outcome import Billed


def test_many_workers_spend_one_sum_and_never_more(address: str) -> None:
    objects, cap = open_objects(address), 1.0
    budgets = [SharedBudget(objects, f"worker-{number}", cap, lambda: 5) for number in range(5)]

    def spend(budget: SharedBudget) -> float:
        chance, spent = random.Random(budget._worker), 0.0
        while (hold := budget.take(0.02)) is not None:
            hold.sent()
            cost = chance.choice([0.0, 0.005, 0.02])
            hold.settle(Billed.YES if cost else Billed.NO, cost)
            spent += cost
            budget.release(hold)
        return spent

    with ThreadPoolExecutor(5) as pool:
        spent = sum(pool.map(spend, budgets))
    assert spent <= cap + 1e-9
    for budget in budgets:
        budget.close()
    books = read_books(objects)
    assert books.aside_usd == {}
    assert books.spent_usd == pytest.approx(spent)
    late = SharedBudget(objects, "late", cap, lambda: 1)
    assert late.take(cap - spent + 0.001) is None
    assert late.take(cap - spent - 0.001) is not None


def test_what_a_dead_worker_had_set_aside_counts_as_spent(address: str) -> None:
    objects = open_objects(address)
    dead = SharedBudget(objects, "dead", 1.0, lambda: 1)
    hold = dead.take(0.1)
    assert hold is not None
    aside = read_books(objects).taken_usd
    assert 0.1 <= aside < 1.0
    other = SharedBudget(objects, "other", 1.0, lambda: 1)
    assert other.take(1.0 - aside + 0.01) is None
    assert other.take(1.0 - aside) is not None


def test_a_run_without_a_cap_is_counted_by_a_later_one_with_one(address: str) -> None:
    objects = open_objects(address)
    first = SharedBudget(objects, "first", None, lambda: 1)
    hold = first.take(0.3)
    assert hold is not None
    hold.settle(Billed.YES, 0.25)
    first.release(hold)
    first.close()
    later = SharedBudget(objects, "later", 0.4, lambda: 1)
    assert later.take(0.16) is None
    assert later.take(0.15) is not None
