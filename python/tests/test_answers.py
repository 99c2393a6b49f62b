"""The answers are the service's: digests, golden pages, values of every kind."""

import json
import math
from collections import OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice

import auditq
import pytest
from conftest import ROOT, sha256

LEGACY = "5ca5afc9a55c2c1b7f8a0a13acb66fd2c9ce0c9cfbca65312637d10b686ec668"
DEEP = "b26177a73392c98929878fa7b34265d48dcf2d262829c139c9c2121ae08344c7"
GOLDEN = ROOT / "fixtures" / "golden"


@pytest.mark.parametrize("mode", ["enhanced", "baseline"])
@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize("stream, requests, digest", [("legacy", 2_000, LEGACY), ("deep", 500, DEEP)])
def test_the_contracts_digests(dataset, baseline, mode, threads, stream, requests, digest):
    queries = [asdict(query) for query in islice(getattr(baseline, f"{stream}_queries")(), requests)]
    with auditq.Log(dataset, mode) as log, ThreadPoolExecutor(threads) as pool:
        assert sha256(pool.map(lambda query: log.page_json(**query), queries)) == digest
        if mode == "enhanced":
            dicts = pool.map(lambda query: log.page(**query), queries)
            assert sha256((json.dumps(answer) + "\n").encode() for answer in dicts) == digest


@pytest.mark.parametrize("mode", ["enhanced", "baseline"])
def test_the_golden_pages(dataset, mode):
    requests = (GOLDEN / "requests.jsonl").read_bytes().splitlines()
    responses = (GOLDEN / "responses.jsonl").read_bytes().splitlines(keepends=True)
    assert len(requests) == len(responses) >= 88
    with auditq.Log(dataset, mode) as log:
        for request, response in zip(requests, responses):
            assert log.page_json(**json.loads(request)) == response
            assert log.page(**json.loads(request)) == json.loads(response)


def test_a_dict_has_the_contracts_keys_in_order(dataset, baseline):
    query = baseline.Query(0, baseline.ANCHOR, None, None, 3, 2)
    with auditq.Log(dataset) as log:
        assert json.dumps(log.page(**asdict(query))) == json.dumps(baseline.answer(query))


PAYLOADS = [
    "{}", "[]", "0", "-0", "-0.0", "1e400", "-1e400", "1E5", "0.1", "1e-400", "123456789012345678",
    "-123456789012345678", "999999999999999999", "1234567890123456789", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "1" * 300, "1.7976931348623157e308", "2.2250738585072011e-308",
    "5e-324", "9007199254740993.0", "NaN", "Infinity", "-Infinity", "[NaN, -Infinity, Infinity]", "true", "false",
    "null", '""', '"x"', '"\\u00e9\\ud83e\\udd80\\n\\t\\"\\\\\\/\\b\\f\\r"', '"\\ud800"', '"\\udc00\\ud800"',
    '{"\\ud800": 1}', '"é€🦀\x7f"', '{"a": 1, "b": 2, "a": 3}', '{"": {"": [[], {}, [[1]]]}}',
    '[1, "two", 3.0, null, true, {"k": [false]}]', ' { "a" : [ 1 ,\t2 ] } ', '{"\\u0061": 1, "a": 2}',
    "[" * 900 + "]" * 900, '{"a":' * 450 + "[" * 450 + "]" * 450 + "}" * 450,
    json.dumps({"k" * n: "v" * n for n in range(70)}), json.dumps(["é" * n for n in range(40)]),
    json.dumps({chr(n): n for n in range(32, 0x2FF)}), json.dumps([10**n for n in range(40)]),
    json.dumps([-(10**n) for n in range(40)]), json.dumps([7.0**n for n in range(-40, 40)]),
]  # fmt: skip


def same(one, other):
    """Equal in value, type and order; NaN equals itself. Without recursion: some payloads are deep."""
    waiting = [(one, other)]
    while waiting:
        one, other = waiting.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, (dict, list)):
            if len(one) != len(other) or isinstance(one, dict) and list(one) != list(other):
                return False
            keys = one if isinstance(one, dict) else range(len(one))
            waiting += [(one[key], other[key]) for key in keys]
        elif isinstance(one, float) and math.isnan(one):
            if not math.isnan(other):
                return False
        elif one != other or isinstance(one, float) and math.copysign(1, one) != math.copysign(1, other):
            return False
    return True


@pytest.mark.parametrize("text", PAYLOADS, ids=lambda text: text[:20])
def test_payloads_are_what_pythons_json_makes_of_them(small, text):
    small.append(text)
    expected = json.loads(text)
    with auditq.Log(small.path) as log:
        # Twice: what was kept the first time must not tell.
        for _ in range(2):
            assert same(log.page(page_size=1)["events"][0]["payload"], expected)
        assert same(next(iter(log.events()))["payload"], expected)
        assert same(json.loads(log.page_json(page_size=1))["events"][0]["payload"], expected)


def test_random_payloads_are_what_pythons_json_makes_of_them(small):
    import random

    rng = random.Random(24301)

    def value(depth):
        kinds = [
            lambda: rng.choice([None, True, False, math.nan, math.inf, -math.inf, 0, -1]),
            lambda: rng.randint(-(10 ** rng.randint(0, 40)), 10 ** rng.randint(0, 40)),
            lambda: rng.uniform(-1, 1) * 10.0 ** rng.randint(-320, 308),
            lambda: "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0x3000), rng.randrange(0x110000)]))
                            for _ in range(rng.randint(0, 40))),
        ]  # fmt: skip
        if depth < 4:
            kinds += 2 * [
                lambda: [value(depth + 1) for _ in range(rng.randint(0, 6))],
                lambda: {value(9) if rng.random() < 0.1 else f"k{rng.randint(0, 9)}": value(depth + 1)
                         for _ in range(rng.randint(0, 6))},
            ]  # fmt: skip
        return rng.choice(kinds)()

    texts = []
    while len(texts) < 400:
        made = value(0)
        # Lone surrogates can be escaped, not encoded.
        text = json.dumps(made, ensure_ascii=rng.random() < 0.5)
        try:
            text.encode()
        except UnicodeEncodeError:
            text = json.dumps(made)
        texts.append(text)
    small.append(*texts)
    with auditq.Log(small.path) as log:
        events = log.page(page_size=400)["events"]
    for event, text in zip(events, reversed(texts)):
        assert same(event["payload"], json.loads(text)), text


def test_an_integer_that_python_refuses_is_refused_alike(small):
    import sys

    if not hasattr(sys, "get_int_max_str_digits"):
        pytest.skip("this Python has no limit")
    text = "1" * (sys.get_int_max_str_digits() + 1)
    small.append(text)
    with pytest.raises(ValueError) as expected:
        json.loads(text)
    with auditq.Log(small.path) as log:
        for ask in (log.page, lambda: list(log.events())):
            with pytest.raises(ValueError) as found:
                ask()
            assert str(found.value) == str(expected.value)
        assert log.page_json(page_size=1).endswith(b'"count": 1}\n')


def test_the_parameters_are_the_contracts(small):
    small.append({}, created_at=2_000, actor_id=7, action="CREATE")
    with auditq.Log(small.path) as log:
        everything = log.page()
        assert everything["query"] == {
            "from_ts": -(2**63), "to_ts": 2**63 - 1, "actor_id": None, "action": None, "page": 1, "page_size": 20,
        }  # fmt: skip
        assert [event["id"] for event in everything["events"]] == [4, 3, 2, 1]
        assert log.count() == everything["count"] == 4
        assert log.page(from_ts=2_000)["count"] == log.count(from_ts=2_000) == 1
        assert log.page(to_ts=1_999)["count"] == log.count(to_ts=1_999) == 3
        assert log.page(actor_id=7)["count"] == log.count(actor_id=7) == 1
        assert log.page(action="CREATE")["count"] == log.count(action="CREATE") == 1
        assert log.page(action="NONE")["count"] == log.count(action="NONE") == 0
        assert log.page(page=2, page_size=3)["events"] == everything["events"][3:]
        behind = log.page(page_size=2, after="1000:3")
        assert behind["query"]["after"] == "1000:3" and "page" not in behind["query"]
        assert [event["id"] for event in behind["events"]] == [2, 1]
        assert [event["id"] for event in log.events(after="1000:3")] == [2, 1]
        assert [event["id"] for event in log.events(actor_id=7)] == [4]


def test_pages_stand_still_as_of_an_event(small):
    with auditq.Log(small.path) as log:
        pinned = log.page(page_size=2, as_of="newest")
        pin = pinned["query"]["as_of"]
        assert pin == "1000:3" and list(pinned["query"])[-1] == "as_of"
        small.append({}, {}, created_at=2_000)
        assert log.page(page_size=2, as_of=pin) == pinned
        assert log.page_json(page_size=2, as_of=pin) == (json.dumps(pinned) + "\n").encode()
        assert log.count(as_of=pin) == len(list(log.events(as_of=pin))) == 3
        assert log.count(as_of="newest") == log.count() == 5
        with pytest.raises(auditq.RequestError, match="pin"):
            log.page(as_of="x")


class Odd(int):
    """A number that is not of the plain type."""


def test_a_request_object_is_answered_as_its_values(dataset, baseline):
    queries = [*islice(baseline.legacy_queries(), 300), *islice(baseline.deep_queries(), 60),
               baseline.Query(-(2**63), 2**63 - 1, None, "é", 1, 10_000)]  # fmt: skip
    with auditq.Log(dataset) as log:
        for query in queries:
            answer = log.answer(query)
            assert json.dumps(answer) == json.dumps(log.page(**asdict(query)))
            # A dict of its own, in the contract's order.
            assert answer["query"] == asdict(query) and list(answer["query"]) == list(asdict(query))
            assert json.dumps(log.answer(vars(query))) == json.dumps(answer)


def test_a_request_may_be_a_dict(small):
    plain = {"from_ts": 0, "to_ts": 2_000, "actor_id": 1, "action": "UPDATE", "page": 1, "page_size": 20}
    with auditq.Log(small.path) as log:
        expected = json.dumps(log.page(**plain))
        # In another order, with keys that are strings of their own, as json.loads and slices make them.
        others = [dict(reversed(plain.items())), json.loads(json.dumps(plain)), {(key + " ")[:-1]: plain[key] for key in plain}]
        for request in [plain, *others, OrderedDict(plain), defaultdict(int, plain)]:
            before = dict(request)
            response = log.answer(request)
            assert json.dumps(response) == expected
            # The echo is the response's own.
            response["query"]["page"] = 7
            assert request == before
        for wrong in [
            {}, {**plain, "more": 1}, {key: plain[key] for key in list(plain)[:5]},
            {**{key: plain[key] for key in list(plain)[:5]}, "size": 20}, {**{key: plain[key] for key in list(plain)[1:]}, 1: 0},
        ]:  # fmt: skip
            with pytest.raises(TypeError, match="keys are from_ts"):
                log.answer(wrong)
        for field in plain:
            with pytest.raises(TypeError, match="exactly"):
                log.answer({**plain, field: 1.0})


@pytest.mark.parametrize("field", ["from_ts", "to_ts", "actor_id", "action", "page", "page_size"])
def test_a_request_object_holds_exactly_the_contracts_types(small, baseline, field):
    plain = {"from_ts": 0, "to_ts": 2_000, "actor_id": 1, "action": "UPDATE", "page": 1, "page_size": 20}
    with auditq.Log(small.path) as log:
        assert log.answer(baseline.Query(**plain))["count"] == 3
        odd = [True, 1.0, Odd(1), b"x", [], "1" if field != "action" else 1]
        if field not in ("actor_id", "action"):
            odd.append(None)
        for value in odd:
            with pytest.raises(TypeError):
                log.answer(baseline.Query(**{**plain, field: value}))
        if field == "action":
            with pytest.raises(ValueError):
                log.answer(baseline.Query(**{**plain, field: "\ud800"}))
        else:
            with pytest.raises(OverflowError):
                log.answer(baseline.Query(**{**plain, field: 2**63}))
        if field.startswith("page"):
            for value in (0, -1):
                with pytest.raises(auditq.RequestError):
                    log.answer(baseline.Query(**{**plain, field: value}))
        without = type("Without", (), {name: value for name, value in plain.items() if name != field})
        with pytest.raises(AttributeError):
            log.answer(without())


def test_objects_of_the_same_keys_and_of_nearly_the_same(small):
    """What is kept of one object's keys must not show in the next: other keys, fewer, more, in another order, twice."""
    import random

    rng, keys = random.Random(1337), [f"field_{n}" for n in range(12)]

    def members(names):
        return "{" + ", ".join(f'"{name}": {rng.choice(["1", "[2, 3]", "{}", "null", inner])}' for name in names) + "}"

    inner = "0"
    texts = []
    for _ in range(3):
        for names in [
            keys, keys, keys[:6], keys[:5], keys[:1], [*keys, "more"], [*keys[:6], "other", *keys[7:]], keys[::-1],
            [*keys, "field_0"], [*keys[:8], "field_3"], [*keys[:3], "field_1", *keys[3:]], [*keys[:2], *keys],
            [*keys[:4], "field_\\u0034", *keys[5:]], ["field_\\u0030", *keys[1:]], [*keys[:4], "é", *keys[5:]],
            [*keys[:4], "", *keys[5:]], [*keys[:4], "\\ud800", *keys[5:]], [*keys[:4], "field_4x", *keys[5:]],
            [*keys[:4], "field_", *keys[5:]], ["field_0"] * 8, [*keys[:4], '\\"', *keys[5:]], [*keys[:-1], "field_1"],
        ]:  # fmt: skip
            texts += [members(names), members(keys)]
            # With such objects in it, and spaces where they may be.
            inner = members(names).replace(": ", rng.choice([":", " : ", ":\t"])).replace(", ", rng.choice([",", " , "]))
            if len(inner) > 2_000:
                inner = "0"
    # Others of the same first key, until the one that is kept gives way.
    others = ["field_0", *(f"other_{n}" for n in range(9))]
    texts += [members(others) for _ in range(40)] + [members(keys) for _ in range(40)]
    small.append(*texts)
    with auditq.Log(small.path) as log:
        for _ in range(2):
            events = log.page(page_size=len(texts))["events"]
            for event, text in zip(events, reversed(texts)):
                assert same(event["payload"], json.loads(text)), text


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_collector_is_as_it_was(small, is_enabled):
    import gc

    small.append(*['{"a": [1, [2], {"b": [3]}]}'] * 100, '"\\ud800"')
    ran, thresholds = [], gc.get_threshold()
    try:
        (gc.enable if is_enabled else gc.disable)()
        with auditq.Log(small.path) as log:
            # A text that only Python's own decoder takes, and pages of few events, of many, and of an error.
            for size in (101, 1, 50):
                log.page(page_size=size)
                assert gc.isenabled() is is_enabled
            log.answer(type("Query", (), dict(log.page(page_size=100)["query"]))())
            assert len(list(log.events())) == 104 and gc.isenabled() is is_enabled
            small.append("1" * 5_000)
            try:
                log.page(page_size=100)
            except ValueError:
                pass
            assert gc.isenabled() is is_enabled
            gc.set_threshold(10)
            gc.callbacks.append(lambda phase, info: ran.append(phase))
            page = log.page(page=2, page_size=50)
            gc.callbacks.pop()
            # Not while it is made.
            assert page["count"] == 50 and len(ran) <= 2, ran
    finally:
        gc.enable()
        gc.set_threshold(*thresholds)
