"""The states of a producer's session, and what moves it from one to another."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    CONNECTING = "connecting"
    PROVING = "proving"
    IDLE = "idle"
    WORKING = "working"
    DRAINING = "draining"
    STOPPED = "stopped"


class Turn(StrEnum):
    CONNECTED = "connected"
    WELCOMED = "welcomed"
    STARTED = "started"
    FINISHED = "finished"
    LOST = "lost"
    LEAVING = "leaving"
    DONE = "done"


_S, _T = State, Turn
_ENDING: Final = {_T.LEAVING: _S.DRAINING, _T.DONE: _S.STOPPED}
TRANSITIONS: Final = {
    _S.CONNECTING: {**_ENDING, _T.CONNECTED: _S.PROVING, _T.LOST: _S.CONNECTING},
    _S.PROVING: {**_ENDING, _T.WELCOMED: _S.IDLE, _T.LOST: _S.CONNECTING},
    _S.IDLE: {**_ENDING, _T.STARTED: _S.WORKING, _T.FINISHED: _S.IDLE, _T.LOST: _S.CONNECTING},
    _S.WORKING: {**_ENDING, _T.STARTED: _S.WORKING, _T.FINISHED: _S.IDLE, _T.LOST: _S.CONNECTING},
    _S.DRAINING: {**_ENDING, _T.FINISHED: _S.DRAINING, _T.LOST: _S.DRAINING},
    _S.STOPPED: {},
}
