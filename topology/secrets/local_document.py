"""The form of the local store's files, and how text that may be anything is read as one: the right form, or one error with the cure."""

import hmac
import json
from pathlib import Path

import msgspec

from topology.secrets.errors import Damaged, WrongKey
from topology.secrets.local_key import Key

FORMAT = 1
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of the largest file that is read; a hundred versions of a hundred long fields have less."""
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading text as JSON of a form may raise, whatever the text is."""


class Validated(msgspec.Struct, forbid_unknown_fields=True):
    """What the exchange said of a version; fields as topology.secrets.credential.Validation has them."""

    at: int
    ok: bool
    detail: str


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One version; `value` is its ciphertext in base64, null where it was revoked. `created_at`: microseconds since 1970 UTC."""

    version: int
    created_at: int
    created_by: str
    host: str
    validation: Validated | None
    value: str | None


class Content(msgspec.Struct, forbid_unknown_fields=True):
    """What is kept of one secret. `generation` counts its changes from 1; files of before it was counted lack it."""

    format: int
    path: str
    key: str
    current: int
    versions: list[Entry]
    generation: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def changes(self) -> int:
        """The generation, 0 where none was counted."""
        return 0 if self.generation is msgspec.UNSET else self.generation


class _Head(msgspec.Struct):
    """What must be known before the form is: which it is, and which key wrote it."""

    format: int
    key: str


class _Beginning(msgspec.Struct):
    document: _Head


class _Whole(msgspec.Struct, forbid_unknown_fields=True):
    document: Content
    seal: str


def encoded(content: Content, key: Key) -> bytes:
    """Return a file's bytes, with the code that shows a change."""
    return json.dumps({"document": msgspec.to_builtins(content), "seal": _seal(content, key)}).encode()


def decoded(path: str, text: bytes, key: Key, file: Path) -> Content:
    """Return what a secret's file holds. Raises Damaged or WrongKey, whatever the text is."""
    cure = f"restore {file} from a backup, or remove it and `tidewire secrets put` it again"
    no_document = Damaged(f"{path}: its file is truncated or no document of ours ({len(text)} bytes): {cure}")
    try:
        head = msgspec.json.decode(text, type=_Beginning).document
    except UNREADABLE:
        raise no_document from None
    if head.format != FORMAT:
        raise Damaged(f"{path}: its file has format {head.format}, and this version reads {FORMAT}: use the version that wrote it")
    if head.key != key.id:
        raise WrongKey(f"{path} was encrypted with key {head.key[:16]}, and {key.source} is key {key.id}: give the right key")
    try:
        whole = msgspec.json.decode(text, type=_Whole)
    except UNREADABLE:
        raise no_document from None
    if not hmac.compare_digest(whole.seal.encode(), _seal(whole.document, key).encode()) or whole.document.path != path:
        raise Damaged(f"{path}: its file was altered or took damage: {cure}")
    return whole.document


def _seal(content: Content, key: Key) -> str:
    return key.seal(json.dumps(msgspec.to_builtins(content), sort_keys=True).encode())
