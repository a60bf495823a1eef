"""The one piece of ClickHouse's Native format that chdb does not write: a block without rows."""


def empty_native_block(header: bytes) -> bytes:
    """Make a Native block of no rows from the header of RowBinaryWithNamesAndTypes (count, names, types)."""
    count, at = _read_count(header, 0)
    texts = []
    for _ in range(2 * count):
        length, start = _read_count(header, at)
        texts.append(header[at : start + length])
        at = start + length
    columns = b"".join(name + kind for name, kind in zip(texts[:count], texts[count:], strict=True))
    return _count(count) + b"\0" + columns


def _read_count(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _count(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
