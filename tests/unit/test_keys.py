import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookwatch.access import keys
from hookwatch.access.keys import Identity

SECRET = "Abcdefghij0123456789"

application_ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Bearer hwk_admin_{SECRET}", ("admin", SECRET)),
        (f"bearer hwk_k1_{SECRET}", ("k1", SECRET)),
        (f"BEARER hwk_{'k' * 32}_{SECRET * 6}", ("k" * 32, SECRET * 6)),
    ],
)
def test_a_bearer_key_is_its_id_and_its_secret(header: str, expected: tuple[str, str]) -> None:
    assert keys.parse(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        SECRET,
        f"hwk_admin_{SECRET}",
        f"Basic hwk_admin_{SECRET}",
        f"Bearer admin_{SECRET}",
        f"Bearer hwk_{SECRET}",
        f"Bearer hwk__{SECRET}",
        f"Bearer hwk_admin_{SECRET[:19]}",
        f"Bearer hwk_admin_{'x' * 129}",
        f"Bearer hwk_{'k' * 33}_{SECRET}",
        f"Bearer hwk_ad-min_{SECRET}",
        f"Bearer hwk_admin_{SECRET}!",
        f"Bearer hwk_admin_{SECRET} ",
        f"Bearer hwk_admin_{SECRET}\n",
        f"Bearer hwk_admin_{SECRET}, Bearer hwk_admin_{SECRET}",
        f"Bearer hwk_admin_{SECRET}é",
        f"Bearer hwk_admin_{SECRET}\u017f",
        f"Bearer hwk_admin_{SECRET}\u212a",
        f"Bearer hwk_adm\u0131n_{SECRET}",
        f"Bearer hwk_\u0661\u0661_{SECRET}",
    ],
)
def test_anything_else_holds_no_key(header: str) -> None:
    assert keys.parse(header) is None


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60), st.text(min_size=20, max_size=40))
@example("", "\u017f" * 20)
def test_no_header_is_too_odd_to_be_judged(header: str, secret: str) -> None:
    for sent in (header, f"Bearer hwk_admin_{secret}"):
        key = keys.parse(sent)
        assert key is None or not keys.is_same(key[1], "admin's own secret")


@pytest.mark.parametrize(
    ("secret", "expected"), [(SECRET, True), (SECRET.lower(), False), (SECRET[:-1], False), ("", False)]
)
def test_a_secret_is_the_same_or_it_is_not(secret: str, expected: bool) -> None:
    assert keys.is_same(secret, SECRET) is expected


@pytest.mark.parametrize(
    ("applications", "application_id", "expected"),
    [
        (("a",), "a", True),
        (("a", "b"), "b", True),
        (("a",), "b", False),
        (("a",), "", False),
        (("a",), "*", False),
        (("*",), "a", True),
        (("*",), "*", True),
        (("a", "*"), "b", True),
        ((), "a", False),
    ],
)
def test_a_key_is_for_its_applications_or_for_every_one(
    applications: tuple[str, ...], application_id: str, expected: bool
) -> None:
    assert Identity("k1", "viewer", applications).is_for(application_id) is expected


@settings(deadline=None, max_examples=100)
@given(st.lists(application_ids, min_size=1, max_size=5))
def test_an_identity_passes_through_the_authorizers_context(applications: list[str]) -> None:
    identity = Identity("k1", "reporter", tuple(applications))

    assert all(isinstance(value, str) for value in identity.to_context().values())
    assert Identity.from_context(identity.to_context()) == identity
