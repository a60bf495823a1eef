"""Where things are kept: under the home folder, or all under state_dir where the home folder can't hold them; else a clear error."""

import os
from pathlib import Path

import pytest

from topology.errors import Fatal
from topology.folders import is_writable, make
from topology.settings import load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin with no variable of ours and no file."""
    for name in [name for name in os.environ if name.startswith("TIDEWIRE_") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user of whom the system knows no home folder."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)


def test_by_default_all_is_under_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the home folder can be written to, it holds what no setting places, whatever state_dir says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TIDEWIRE_STATE_DIR", "/state")
    found = load()
    assert (found.state_dir, found.cache_dir) == (Path("/state"), tmp_path / ".cache" / "tidewire")
    assert found.secrets.folder == tmp_path / ".config" / "tidewire" / "secrets"
    assert found.secrets.audit_queue == tmp_path / ".config" / "tidewire" / "credential_audit.jsonl"


def test_a_home_that_cannot_be_written_to_keeps_what_is_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache and audit events go to state_dir then; a store of secrets is still looked for at home. What is set stays as it is."""
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("TIDEWIRE_STATE_DIR", "/state")
    found = load()
    assert (found.cache_dir, found.secrets.audit_queue) == (Path("/state/cache"), Path("/state/credential_audit.jsonl"))
    assert found.secrets.folder == Path("/dev/null/.config/tidewire/secrets")
    monkeypatch.setenv("TIDEWIRE_CACHE_DIR", "/cache")
    monkeypatch.setenv("TIDEWIRE_SECRETS__AUDIT_QUEUE", "/queue")
    assert (load().cache_dir, load().secrets.audit_queue) == (Path("/cache"), Path("/queue"))


def test_without_a_home_all_is_under_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without a home folder needs to set state_dir alone, in the environment or in tidewire.toml; and is told so."""
    without_home(monkeypatch)
    with pytest.raises(Fatal, match=r"there is no home folder .*: set state_dir \(TIDEWIRE_STATE_DIR\)"):
        load()
    (tmp_path / "tidewire.toml").write_text('state_dir = "/state"\n')
    found = load()
    assert (found.cache_dir, found.secrets.audit_queue) == (Path("/state/cache"), Path("/state/credential_audit.jsonl"))
    assert (found.secrets.folder, found.secrets.key_file) == (Path("/state/secrets"), Path("/state/secrets.key"))


def test_a_folder_that_cannot_be_made_names_its_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder is made with those above it; where it can't be, or nothing can be written to it, the error says what to set."""
    assert make(tmp_path / "a" / "b", "state_dir").is_dir()
    with pytest.raises(Fatal, match=r"/dev/null/x can't be made: Not a directory; set processors\.data_dir \(TIDEWIRE_PROCESSORS__"):
        make(Path("/dev/null/x"), "processors.data_dir")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not is_writable(tmp_path)
    with pytest.raises(Fatal, match=r"can't be written to; set state_dir \(TIDEWIRE_STATE_DIR\)"):
        make(tmp_path, "state_dir")
