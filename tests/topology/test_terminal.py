"""Text from outside can't command a terminal."""

import json
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology import log
from topology.settings import Log
from topology.terminal import printable

COMMANDS = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x90q\x9c", "\r", "\b", "\x7f", "\u202e", "\u2066", "\u2028", "\x00", "\ud800"]


@given(st.text(alphabet=st.characters()))
def test_no_control_character_is_left(text: str) -> None:
    """Neither controls of 7 or 8 bits nor lone surrogates are left; what is left can be written as UTF-8, and stays as it was."""
    found = printable(text)
    assert not {unicodedata.category(one) for one in found} & {"Cc", "Cs"}
    assert found.encode().decode() == found
    assert printable(found) == found


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_terminal_obeys_is_shown(command: str) -> None:
    """It is seen as what it is; in JSON it is the same text still."""
    assert command not in printable(f"a{command}b", lines=True)
    assert json.loads(printable(json.dumps({"a": command}, ensure_ascii=False))) == {"a": command}


def test_lines_stay_where_they_are_wanted() -> None:
    """Tabs and line ends of a longer text are kept, and those of a value are not."""
    assert printable("a\n\tb", lines=True) == "a\n\tb"
    assert printable("a\n\tb") == "a\\u000a\\u0009b"


def test_other_letters_stay() -> None:
    """Text of any language is left alone."""
    for text in ("BTC/USDT", "Ærø 東京 العربية 🙂", "a b  c"):
        assert printable(text) == text


@pytest.mark.parametrize("command", COMMANDS[:4])
def test_no_log_line_commands_a_terminal(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Values and words of a log line, its own and other libraries', are shown."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log.configure(Log(), "tested")
        log.logger().info(f"heard{command}", symbol=f"BTC{command}")
        logging.getLogger("library").warning("told %s", command)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    written = capsys.readouterr().err
    assert "heard" in written
    assert "told" in written
    assert command not in written
