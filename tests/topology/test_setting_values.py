"""Whatever a setting or the file of settings holds, it is a value that works or one line that names it: of every setting there is."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import pytest

from tests.hollow import hollow
from tests.topology.test_settings import ADDRESSES, fields, nothing_set
from topology.errors import Fatal
from topology.settings import Settings, load

__all__ = ["nothing_set"]
SETTINGS = {path: field.annotation for path, field in fields(Settings)}


def holding(*kinds: type) -> list[str]:
    """Return the settings that hold one of these types, also within a list or a table."""
    return [path for path, kind in SETTINGS.items() if set(kinds) & set(_held(kind))]


def _held(kind: Any) -> Iterator[Any]:
    if get_origin(kind) in {tuple, dict}:
        yield from (held for inner in get_args(kind) for held in _held(inner))
    else:
        yield kind


def written(path: str, value: Any) -> str:
    """Return tidewire.toml with a setting; the value in TOML, or in a list or table where the setting is one."""
    kind = SETTINGS[path]
    if get_origin(kind) is tuple:
        value = f"[{value}]"
    elif get_origin(kind) is dict:
        value = f"{{ trade = {value} }}"
    branch, _, name = path.replace("venues.", "venues.kraken.").rpartition(".")
    return f"[{branch}]\n{name} = {value}\n" if branch else f"{name} = {value}\n"


@pytest.mark.parametrize("path", holding(float, int))
def test_a_number_that_nobody_means_is_refused(nothing_set: Path, path: str) -> None:
    """No setting of numbers takes infinity, no number at all, or what no clock, buffer or wait can bear; the refusal names it."""
    for value in ("inf", "-inf", "nan", "1e300", "-1e300", "1" + "0" * 30, "-1" + "0" * 30):
        (nothing_set / "tidewire.toml").write_text(written(path, value))
        with pytest.raises(Fatal, match=r"settings are wrong") as told:
            load()
        assert f"  {path.replace('venues.', 'venues.kraken.')}" in str(told.value)


@pytest.mark.parametrize("path", holding(float, int))
def test_so_it_is_in_the_environment(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A variable is refused as the file's value is."""
    for value in ("inf", "nan", "x", ""):
        text = json.dumps({"trade": value}) if get_origin(SETTINGS[path]) is dict else value
        monkeypatch.setenv("TIDEWIRE_" + path.upper().replace(".", "__"), text)
        with pytest.raises(Fatal, match=rf"{path}"):
            load()


@pytest.mark.parametrize("path", [path for path in holding(str, Path) if path not in ADDRESSES])
def test_a_text_with_nul_is_refused(nothing_set: Path, path: str) -> None:
    """No path, name or argument can hold NUL: said of the setting, and not met as a riddle where it is used."""
    (nothing_set / "tidewire.toml").write_text(written(path, '"a\\u0000b"'))
    with pytest.raises(Fatal, match=r"settings are wrong"):
        load()


@pytest.mark.parametrize("path", [path for path, kind in SETTINGS.items() if kind is not NoneType])
def test_a_value_of_another_type_is_refused(nothing_set: Path, path: str) -> None:
    """A list, a table or a time where something else belongs is one message that names the setting."""
    for value in ("[[[]]]", "{ a = { b = [] } }", "1979-05-27T07:32:00Z"):
        (nothing_set / "tidewire.toml").write_text(written(path, value))
        with pytest.raises(Fatal, match=r"settings are wrong"):
            load()


@pytest.mark.parametrize("path", [path for path in SETTINGS if not path.startswith("venues.")])
def test_a_deep_variable_is_refused(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Brackets without end are no value of any setting but a text's, and never a traceback."""
    monkeypatch.setenv("TIDEWIRE_" + path.upper().replace(".", "__"), "[" * 50_000)
    if SETTINGS[path] in {str, Path} or "SecretStr" in repr(SETTINGS[path]):
        return
    with pytest.raises(Fatal, match="settings are wrong"):
        load()


ODD_ADDRESSES = [
    "http://[",
    "http://",
    "ftp://host:1",
    "host",
    "http://host:x",
    "http://host:99999",
    "http://host:0",
    "http:// host:1",
    "http://h\nost:1",
]


@pytest.mark.parametrize("name", [name for name in ADDRESSES if "BROKERS" not in name])
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A URL that none of our clients can open is refused where it is set, and not taken for another server's."""
    for address in ODD_ADDRESSES:
        monkeypatch.setenv(name, address)
        with pytest.raises(Fatal, match=r"an address like .*://host:port is wanted"):
            load()


@pytest.mark.parametrize("brokers", [",", "host:x", "host:0", "host:65536", "a:1,,b:2", "ho st:1", ":1", "a:\u00b2"])
def test_what_are_no_brokers_is_refused(monkeypatch: pytest.MonkeyPatch, brokers: str) -> None:
    """A list of brokers in which one is none is refused where it is set."""
    monkeypatch.setenv("TIDEWIRE_KAFKA__BROKERS", brokers)
    with pytest.raises(Fatal, match=r"kafka.brokers: addresses like host:port"):
        load()


@pytest.mark.parametrize("brokers", ["a:1", "a:1,b:2", "a:1, b:2", "a", "[::1]:9092", "broker-1.example:65535"])
def test_brokers_in_their_forms_are_taken(monkeypatch: pytest.MonkeyPatch, brokers: str) -> None:
    """One or many, names or addresses, with a port or with Kafka's own."""
    monkeypatch.setenv("TIDEWIRE_KAFKA__BROKERS", brokers)
    assert load().kafka.brokers == brokers


FILES: dict[str, Callable[[Path], object]] = {
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "no TOML": lambda path: path.write_text("a = ["),
    "deep": lambda path: path.write_text("a = " + "[" * 100_000),
    "a number of many digits": lambda path: path.write_text("a = " + "1" * 10_000),
    "huge": hollow,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a loop of links": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_a_file_that_is_none_is_one_line(nothing_set: Path, make: Callable[[Path], object]) -> None:
    """tidewire.toml that is no text, no TOML or no file is neither passed over nor waited for: one line says where it is and what to do."""
    make(nothing_set / "tidewire.toml")
    with pytest.raises(Fatal, match=rf"tidewire.toml in {nothing_set} (can't be read|is no text|is no TOML)") as told:
        load()
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("path", ["books.every_seconds", "candles.provisional_seconds", "candles.idle_seconds", "candles.ids_seconds"])
def test_a_time_that_is_counted_in_microseconds_is_not_none(nothing_set: Path, path: str) -> None:
    """What is positive, and yet less than any clock tells apart, is refused: counted in microseconds it was none, and divided by."""
    for value in ("1e-7", "5e-324", "0"):
        (nothing_set / "tidewire.toml").write_text(written(path, value))
        with pytest.raises(Fatal, match=rf"  {path}"):
            load()
    (nothing_set / "tidewire.toml").write_text(written(path, "0.001"))
    load()


@pytest.mark.parametrize("depth", [17, 900, 50_000])
@pytest.mark.parametrize("name", ["VENUES", "KAFKA", "SINK__SKIP", "VENUES__KRAKEN"])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ("[", "")])
def test_what_is_nested_too_deep_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, begin: str, end: str, depth: int) -> None:
    """JSON of any depth, whole or not, is a value that is refused as any other, in the environment."""
    monkeypatch.setenv(f"TIDEWIRE_{name}", begin * depth + "1" * bool(end) + end * depth)
    with pytest.raises(Fatal, match=name.lower().replace("__", r"\.")):
        load()


@pytest.mark.parametrize("depth", [17, 400, 50_000])
def test_so_is_a_file_that_is_nested_too_deep(nothing_set: Path, depth: int) -> None:
    """It is one line that names the file."""
    (nothing_set / "tidewire.toml").write_text(f"[sink]\nskip = {'[' * depth}{']' * depth}\n")
    with pytest.raises(Fatal, match=r"tidewire\.toml in .* nested too deep"):
        load()
