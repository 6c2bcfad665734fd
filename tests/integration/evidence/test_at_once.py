"""Two who move one environment at once, and one who is killed in the middle: in a folder, and in a real registry."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import pytest

from mlci.evidence import log, promotions
from mlci.evidence.audit import audit
from mlci.evidence.log import Lost
from mlci.evidence.signing import Trusted
from mlci.store.registry import RegistryStore
from tests.logkit import image, move, opened, race, receipt, settled
from tests.registrykit import Exchange, Proxy, RunningRegistry

ROUNDS = 10
"""`bench.promotions` has a hundred."""
KILLS = 15
NOBODY = Trusted({})


@pytest.fixture(params=["folder", "registry"])
def where(request: pytest.FixtureRequest, registry: RunningRegistry, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "folder" else registry.repository()


@pytest.mark.timeout(300)
def test_of_two_at_once_exactly_one_wins_and_the_other_is_told(where: str) -> None:
    found = race(where, ROUNDS)
    assert all("was moved by somebody else at the same time" in told for told in found.told)
    looked = audit(opened(where), "prod", NOBODY, all=True)
    assert looked.flaws == ()
    assert [entry.digest for entry in looked.entries] == found.winners
    assert [entry.number for entry in looked.entries] == list(range(1, ROUNDS + 1))


@pytest.mark.timeout(300)
def test_killed_anywhere_the_same_command_ends_in_the_same_state(where: str) -> None:
    context, chance = multiprocessing.get_context("forkserver"), random.Random(11)
    context.set_forkserver_preload(["tests.logkit"])
    store = opened(where)
    digests = [image(store, name) for name in "ab"]
    began = time.monotonic()
    settled(where, digests[1])
    seconds = time.monotonic() - began
    for turn in range(KILLS):
        digest = digests[turn % 2]
        process = context.Process(target=settled, args=(where, digest))
        process.start()
        process.join(chance.uniform(0, 1.5 * seconds))
        process.kill()
        process.join()
        settled(where, digest)
        newest = promotions.head(store, "prod")
        assert newest and (newest.number, newest.digest) == (turn + 2, digest)
        assert audit(opened(where), "prod", NOBODY).flaws == ()


def test_who_stood_still_between_looking_and_writing_gives_way(proxy: Proxy, registry: RunningRegistry) -> None:
    name = proxy.repository()
    slow, quick = RegistryStore(name), RegistryStore(name.replace(proxy.host, registry.host))
    first, second, third = (image(quick, one) for one in "abc")
    move(quick, first)
    late = receipt(slow, second)

    def stand_still(exchange: Exchange) -> None:
        move(quick, third)
        exchange.forward()  # over what the other wrote, and long after the other looked again

    proxy.misbehave(r"^PUT .*/manifests/prod\.log$", stand_still, times=1)
    with pytest.raises(Lost, match="number 2 "):
        promotions.record(slow, "prod", late)
    looked = audit(quick, "prod", NOBODY)
    assert looked.flaws == ()
    assert [entry.digest for entry in looked.entries] == [first, third]
    assert quick.resolve("prod") == third


def test_a_log_that_was_written_over_before_the_wait_was_over_is_lost(proxy: Proxy, registry: RunningRegistry) -> None:
    name = proxy.repository()
    store, other = RegistryStore(name), RegistryStore(name.replace(proxy.host, registry.host))
    first, second = image(other, "a"), image(other, "b")
    theirs = log.line(receipt(other, second), None)

    def beaten(exchange: Exchange) -> None:
        exchange.forward()
        log.append(other, "prod", log.End(log.end(other, "prod", fresh=True).digest), theirs)

    mine = receipt(store, first)
    proxy.misbehave(r"^PUT .*/manifests/prod\.log$", beaten, times=1)
    with pytest.raises(Lost):
        promotions.record(store, "prod", mine)
    assert store.tags("prod") == ["prod.log"]
    assert [entry.digest for entry in log.read(other, "prod").entries] == [second]
