"""Any run of calls comes to what a plain dict comes to."""

from fnmatch import fnmatchcase

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from framedb.attributes.encoding import decode
from framedb.attributes.store import AttributeStore
from framedb.attributes.subscriptions import Change
from framedb.errors import StoreFullError
from tests.unit.attributes.making import Clock, made, number

Key = tuple[str, str]

MAX_ENTRIES = 6

texts = st.sampled_from(["a", "ab", "b", ""])
patterns = st.sampled_from([None, "*", "a", "a*", "?", "ab", "*b", "[!a]", ""])
numbers = st.integers(0, 99)
sets = st.lists(st.tuples(texts, texts, numbers), max_size=4)
ttls = st.one_of(st.none(), st.sampled_from([0, 1, 10, 1000]))


class StoreAndDict(RuleBasedStateMachine):
    """Calls on a store, and on a dict from keys to a number and the time when it expires."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = AttributeStore(max_entries=MAX_ENTRIES, clock=self.clock)
        self.model: dict[Key, tuple[int, float | None]] = {}
        self.told: list[tuple[str, list[Key]]] = []
        self.subscription = self.store.subscribe("model", 1_000_000)

    @rule(sets=sets, ttl=ttls)
    def set(self, sets: list[tuple[str, str, int]], ttl: int | None) -> None:
        new = {(namespace, name) for namespace, name, _ in sets}
        try:
            self.store.set([made(*one) for one in sets], ttl)
        except StoreFullError:
            assert len(self.living().keys() | new) > MAX_ENTRIES
            return
        assert len(self.living().keys() | new) <= MAX_ENTRIES
        deadline = None if ttl is None else self.clock.now + ttl / 1000
        self.model |= {(namespace, name): (number, deadline) for namespace, name, number in sets}
        self.told.append(("set", [(namespace, name) for namespace, name, _ in sets]))

    @rule(namespace=texts, name=texts)
    def delete(self, namespace: str, name: str) -> None:
        expected = self.living().get((namespace, name))
        assert number(self.store.delete(namespace, name)) == expected
        if expected is not None:
            del self.model[namespace, name]
            self.told.append(("delete", [(namespace, name)]))

    @rule(ns=patterns, name=patterns)
    def delete_matching(self, ns: str | None, name: str | None) -> None:
        expected = self.matching(ns, name)
        assert self.store.delete_matching(ns, name) == len(expected)
        for key in expected:
            del self.model[key]
        self.told.append(("delete", sorted(expected)))

    @rule(ns=patterns, name=patterns)
    def search(self, ns: str | None, name: str | None) -> None:
        expected = self.matching(ns, name)
        found = self.store.search(ns, name)
        assert {(one.namespace, one.name): number(one) for one in found} == expected
        assert len(found) == len(expected)
        assert sorted(self.store.search_keys(ns, name)) == sorted(expected)
        assert {(one.namespace, one.name) for one in decode(self.store.search_encoded(ns, name))} == set(expected)

    @rule(seconds=st.sampled_from([0.001, 0.0095, 1.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def expire(self) -> None:
        self.store.expire()
        assert self.store.stats.entries == len(self.living())

    @precondition(lambda self: not self.living())
    @rule()
    def nothing_is_left_of_an_empty_store(self) -> None:
        self.store.expire()
        stats = self.store.stats
        assert (stats.entries, stats.bytes) == (0, 0)

    @invariant()
    def every_key_is_there_or_not(self) -> None:
        living = self.living()
        for namespace in ("a", "ab", "b", ""):
            for name in ("a", "ab", "b", ""):
                assert number(self.store.get(namespace, name)) == living.get((namespace, name))
                assert bool(self.store.get_encoded(namespace, name)) == ((namespace, name) in living)

    @invariant()
    def every_call_was_told(self) -> None:
        changes = list(iter(self.subscription.try_recv, None))
        assert [(change.operation, keys(change)) for change in changes] == self.told
        self.told = []

    def teardown(self) -> None:
        self.store.close()

    def living(self) -> dict[Key, int]:
        now = self.clock.now
        return {key: number for key, (number, deadline) in self.model.items() if deadline is None or deadline > now}

    def matching(self, ns: str | None, name: str | None) -> dict[Key, int]:
        return {
            key: number
            for key, number in self.living().items()
            if (ns is None or fnmatchcase(key[0], ns)) and (name is None or fnmatchcase(key[1], name))
        }


def keys(change: Change) -> list[Key]:
    found = [(record.namespace, record.name) for record in change.records]
    return sorted(found) if change.operation == "delete" else found


TestStoreAndDict = StoreAndDict.TestCase
