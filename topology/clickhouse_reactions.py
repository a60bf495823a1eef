"""What to do about an error of ClickHouse: by its code, from src/Common/ErrorCodes.cpp of ClickHouse; each with its reason."""

from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from topology.errors import Fatal, Reject, Retry, TidewireError

RETRY = {
    159: "it took too long",
    173: "the server got no memory from its system",
    198: "a host name did not resolve",
    201: "the user's quota is used up for now",
    202: "too many queries at once",
    203: "no connection was free",
    209: "the network was too slow",
    210: "the network failed",
    225: "Keeper is away",
    236: "the query was aborted",
    241: "out of memory",
    242: "the table is read-only: its Keeper is away",
    243: "the disk is full",
    252: "too many parts: merges must catch up",
    254: "no replica is active",
    279: "no replica of the shard answers",
    285: "too few replicas are alive",
    319: "whether the insert is in is not known; inserting again is safe",
    394: "the query was cancelled",
    425: "the system call failed",
    439: "no thread was free",
    473: "a lock was not got in time",
    499: "the object store failed",
    574: "too much waits to be sent to other shards",
    733: "the table is being started again",
    999: "Keeper failed",
}
REJECT = {
    6: "cannot parse text",
    27: "cannot parse input",
    32: "the data end too soon",
    33: "the data end too soon",
    38: "cannot parse a date",
    41: "cannot parse a time",
    53: "the type does not fit",
    69: "the number is out of bounds",
    70: "the value cannot be converted",
    72: "cannot parse a number",
    117: "the data are not right",
    131: "the text is too large",
    190: "array sizes differ",
    321: "the value is out of range",
    349: "a null where the column takes none",
    407: "the decimal overflows",
    469: "a constraint is violated",
    691: "an unknown enum value",
}
FATAL = {
    8: "the data lack a column (clickhouse tables)",
    16: "the table lacks a column: run `python -m sinks.clickhouse --prepare`",
    36: "schema and table do not fit each other: run `python -m sinks.clickhouse --prepare`",
    47: "the table lacks a column: run `python -m sinks.clickhouse --prepare`",
    60: "the table is not there: run `python -m sinks.clickhouse --prepare`",
    81: "the database is not there: run `python -m sinks.clickhouse --prepare`",
    497: "the user may not do this to this table (clickhouse.user)",
}
REFUSED = {
    115: "the server does not know a setting: it is too old",
    164: "the user may only read (clickhouse.user)",
    192: "no such user (clickhouse.user)",
    193: "wrong password (clickhouse.password)",
    194: "a password is needed (clickhouse.password)",
    516: "user or password is wrong (clickhouse.user, clickhouse.password)",
}
"""What keeps us from every table, not from one."""
STANDARD_EXCEPTION = 1001


class Refused(Fatal):
    """The server refuses us, whatever the table: nothing can be written until a person acts."""


def reaction(error: Exception, url: str = "") -> TidewireError:
    """Return what an error of an insert or a query asks for: Retry, Reject, Fatal or Refused, with the server's text.

    An error without a code never reached the server, so it is the network's: Retry (`url` is said in it). 1001 is any C++ exception;
    only those of the Avro reader are the data's fault. A code not listed is Fatal: nobody has yet said whether to wait or to give the
    rows up.
    """
    text = str(error)[:1_000]
    code = getattr(error, "code", None)
    if code in RETRY:
        return Retry(f"ClickHouse: {RETRY[code]}: {text}")
    if code in REJECT or (code == STANDARD_EXCEPTION and "avro::" in text):
        return Reject(f"ClickHouse: {REJECT.get(code, 'not Avro of this schema')}: {text}")
    if code in REFUSED:
        return Refused(f"ClickHouse: {REFUSED[code]}: {text}")
    if code in FATAL:
        return Fatal(f"ClickHouse: {FATAL[code]}: {text}")
    if not code and (isinstance(error, OperationalError | OSError) or not isinstance(error, ClickHouseError)):
        return Retry(f"no ClickHouse answers{f' at {url}' if url else ''} (clickhouse.url): {text}")
    return Fatal(f"ClickHouse error {code}, for which topology/clickhouse_reactions.py has no reaction: {text}")
