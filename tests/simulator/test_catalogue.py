"""The simulator finds its venues and the exchanges whose keys it knows by their being there."""

import importlib
import pkgutil
import sys
from pathlib import Path

import pytest

import simulator.venues
import topology.secrets.exchanges
from dialects.catalogue import all_dialects
from simulator.__main__ import arguments, settings
from simulator.accounts.rest import exchanges
from simulator.catalogue import all_venues, instruments, venue
from simulator.folders import classes
from simulator.venue import Venue
from simulator.world import World


def test_every_dialect_is_simulated() -> None:
    """Each venue that is spoken has a voice here, under the same name; each folder of venues has at least one."""
    assert set(all_dialects()) <= set(all_venues())
    folders = {entry.name for entry in pkgutil.iter_modules(simulator.venues.__path__)}
    assert {one.__module__.split(".")[2] for one in all_venues().values()} == folders


def test_every_exchange_that_is_asked_for_keys_answers() -> None:
    """Where Tidewire knows how to ask what a key may do, the simulator knows what to answer."""
    assert list(exchanges()) == [entry.name for entry in pkgutil.iter_modules(topology.secrets.exchanges.__path__)]


@pytest.mark.parametrize("name", all_venues())
def test_a_venue_lists_whatever_base_is_asked_for(name: str) -> None:
    """Known bases and made-up ones are listed in the venue's name, each with a spelling of its own and a book that can be made."""
    listed = instruments((name,), ("BTC", "DOGE", "SIM99"))
    assert {one.venue for one in listed} == {name}
    assert {one.base for one in listed} == {"BTC", "DOGE", "SIM99"}
    assert len({one.wire_symbol for one in listed}) == len({one.symbol for one in listed}) == len(listed)
    assert all(one.first_price > 100 and one.typical_size > 0 for one in listed)


def test_one_that_is_not_simulated_is_refused() -> None:
    """The refusal names those that are."""
    with pytest.raises(ValueError, match=f"'mtgox' is not simulated; there are {', '.join(all_venues())}"):
        venue("mtgox")


def test_a_folder_may_hold_several_venues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes of one module are found by their names, the base without a name is not; two of one name are refused."""
    (tmp_path / "bourses" / "one").mkdir(parents=True)
    (tmp_path / "bourses" / "__init__.py").write_text("")
    (tmp_path / "bourses" / "one" / "__init__.py").write_text("")
    text = "from simulator.venue import Venue\nclass Base(Venue): pass\nclass Spot(Base): name='one'\n"
    text += "class Linear(Base): name='one_linear'\n"
    (tmp_path / "bourses" / "one" / "venue.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    bourses = importlib.import_module("bourses")
    found = classes(bourses, Venue, "venue")  # type: ignore[type-abstract]  # it is asked for what derives from it
    assert list(found) == ["one", "one_linear"]
    (tmp_path / "bourses" / "one" / "venue.py").write_text(text + "class Other(Base): name='one'\n")
    del sys.modules["bourses.one.venue"]
    with pytest.raises(ValueError, match=r"'one' in bourses\.one\.venue is the name of two classes"):
        classes(bourses, Venue, "venue")  # type: ignore[type-abstract]  # the same


def test_the_command_line_takes_any_venue(capsys: pytest.CaptureFixture[str]) -> None:
    """Help and refusals name the venues there are; ports are given by venue."""
    name = list(all_venues())[-1]
    assert settings(arguments([])).venues == tuple(all_venues())
    assert settings(arguments(["--venues", name, "--port", f"{name}=4321"])).ports == {name: 4321}
    for words in (["--help"], ["--port", "mtgox=1"], ["--port", name]):
        with pytest.raises(SystemExit):
            arguments(words)
        said = capsys.readouterr()
        assert ", ".join(all_venues()) in " ".join((said.out + said.err).split())


def test_a_world_opens_no_port() -> None:
    """Market, venues and faults are one thing, the servers another."""
    world = World(settings(arguments(["--symbols", "BTC"])))
    assert set(world.venues) == set(all_venues())
    assert not hasattr(world, "addresses")
