"""How the server takes those who come."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel

from web.serve import ACCEPTED_A_TURN, accept_several


@contextlib.contextmanager
def after_one_turn(clients: int, **settings: object) -> Iterator[int]:
    """So many come at once; yields how many of them are connected after one turn of the loop."""
    sockets: dict[int, object] = {}
    server = waitress.create_server(lambda *_: [], map=sockets, host="127.0.0.1", port=0, **settings)
    accept_several(sockets)
    address = ("127.0.0.1", server.effective_port)
    with contextlib.ExitStack() as stack:
        stack.callback(wasyncore.close_all, sockets)
        stack.callback(server.task_dispatcher.shutdown)
        for _ in range(clients):
            stack.enter_context(socket.create_connection(address))
        wasyncore.loop(timeout=1, use_poll=True, map=sockets, count=1)
        yield sum(isinstance(held, HTTPChannel) for held in sockets.values())


@pytest.mark.parametrize(
    ("clients", "taken"), [(1, 1), (20, 20), (ACCEPTED_A_TURN, ACCEPTED_A_TURN), (ACCEPTED_A_TURN + 8, ACCEPTED_A_TURN)]
)
def test_those_who_come_together_are_connected_together(clients: int, taken: int) -> None:
    with after_one_turn(clients) as connected:
        assert connected == taken


def test_no_more_are_connected_than_are_allowed() -> None:
    # Of the sockets two are the server's own.
    with after_one_turn(10, connection_limit=7) as connected:
        assert connected == 5
