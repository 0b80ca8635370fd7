"""Each scope allows what its table says, and everything that a client can do declares the right for it."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from bridge.advisors import import_popups
from bridge.core import access, errors
from bridge.core.access import (
    NOBODY,
    RIGHTS,
    SCOPE_NAMES,
    Principal,
    command_right,
    popup_right,
    question_right,
    rights_of,
    scopes_with,
    workload_right,
)
from bridge.core.errors import RequestError
from bridge.core.messages import CLIENT_MESSAGES
from bridge.core.revert import APPLY, REVERT
from bridge.host.host import RECEIPTS_ASKS
from bridge.server.access import roots
from tools.generators import _first_party


def principal(*scopes: str, kind: str = "") -> Principal:
    return Principal("q3Xy-_09", "the build server", scopes, rights_of(scopes, kind))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("editor", "status read upload run edit answer change"),
        ("console", "status read upload run answer change"),
        ("tool", "status read upload run"),
        ("agent", "status read upload run"),
        ("read-only", "status read"),
        ("admin", "status read upload run edit answer change admin"),
        ("of a later version", ""),
    ],
)
def test_a_scope_allows_what_its_table_says(scope: str, expected: str) -> None:
    assert rights_of([scope]) == set(expected.split())


def test_several_scopes_allow_what_one_of_them_does() -> None:
    assert rights_of(["read-only", "tool"]) == rights_of(["tool"])
    assert rights_of([]) == NOBODY.rights == frozenset()


def test_an_agent_has_an_agents_rights_whatever_token_it_holds_unless_more_was_granted_to_it() -> None:
    assert rights_of(access.LOCAL_SCOPES, "agent") == rights_of(["agent"])
    assert rights_of(["read-only"], "agent") == rights_of(["read-only"])
    assert rights_of(["agent", "console"], "agent") >= {"answer", "change"}
    assert rights_of(["admin"], "tool") == access.EVERY_RIGHT


def test_an_agent_neither_applies_nor_answers() -> None:
    agent = principal("agent")
    for right in (command_right(APPLY), command_right("acme.fix"), popup_right("acme.ask"), "admin", "edit"):
        assert not agent.may(right)


@pytest.mark.parametrize("right", RIGHTS)
def test_the_error_names_the_scopes_that_would_do_the_least_powerful_first(right: access.Right) -> None:
    with pytest.raises(RequestError) as caught:
        NOBODY.require(right, "it")
    enough = caught.value.fields["scopes"]
    assert caught.value.code is errors.FORBIDDEN
    assert enough == scopes_with(right) and enough[-1] == "admin"
    assert all(right in rights_of([scope]) for scope in enough)
    assert all(scope in caught.value.hint for scope in enough)


def test_what_needs_no_right_is_allowed_to_all() -> None:
    NOBODY.require(access.ANY, "it")
    principal("tool").require("run", "it")


def test_every_message_of_a_client_declares_a_right_or_that_it_needs_none() -> None:
    assert access.MESSAGES.keys() == set(CLIENT_MESSAGES)


def test_every_workload_of_popbridge_declares_a_right() -> None:
    for name, workload in _first_party.registry().workloads.items():
        assert any(name.startswith(start) for start in access.WORKLOADS), name
        assert workload_right(name, workload.right) in RIGHTS


def test_every_question_declares_a_right() -> None:
    asks = [ask for advisor in _first_party.registry().advisors for ask in advisor.asks]
    assert access.QUESTIONS.keys() == {*asks, *RECEIPTS_ASKS}


def test_every_command_and_popup_declares_a_right() -> None:
    assert access.COMMANDS.keys() == {APPLY, REVERT}
    assert access.POPUPS.keys() == {
        import_popups.KIND,
        import_popups.APPLIED,
        import_popups.SILENCED,
        roots.KIND,
    }


def test_every_declared_right_exists_and_has_a_sentence() -> None:
    declared = {*access.MESSAGES.values(), *access.ROUTES.values(), *access.QUESTIONS.values()}
    declared |= {*access.WORKLOADS.values(), *access.COMMANDS.values(), *access.POPUPS.values()}
    assert declared - {access.ANY} <= set(RIGHTS) == set(access.RIGHT_TEXTS)
    assert {*access.LOCAL_SCOPES} <= set(SCOPE_NAMES)


@pytest.mark.parametrize(
    ("declared", "expected"), [("", "run"), ("change", "change"), ("of a later version", "run")]
)
def test_plugins_declare_rights_or_get_the_default(declared: str, expected: str) -> None:
    assert workload_right("acme.fade", declared) == expected
    assert question_right("acme.ask", declared) == expected


def test_a_route_that_declares_no_right_cannot_be_made() -> None:
    from bridge.server.access.authenticator import Authenticator
    from bridge.server.http import Guard

    async def respond(request: object) -> object:
        raise AssertionError

    # They are needed only when somebody asks.
    guard = Guard(Authenticator(), door=None, rates=None)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        guard.route("GET", "/secrets", respond)  # type: ignore[arg-type]
    assert isinstance(guard.route("GET", "/status", respond), Route)  # type: ignore[arg-type]


def test_an_agent_is_told_how_it_gets_the_right_that_it_lacks() -> None:
    local = access.LOCAL_SCOPES
    agent = Principal("local", "connection.json", local, rights_of(local, "agent"), "127.0.0.1", "agent")
    for right, scope in (("change", "console"), ("admin", "admin")):
        with pytest.raises(RequestError) as caught:
            agent.require(right, "it")  # type: ignore[arg-type]
        assert f"--scope agent --scope {scope}" in caught.value.hint
