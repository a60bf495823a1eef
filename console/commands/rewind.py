"""`tidewire rewind`: let a stage read its topics again from their beginning."""

from collections import Counter

from confluent_kafka.admin import AdminClient

from local.monitor import topics_of
from topology.errors import Fatal, Retry
from topology.flow import stages
from topology.lag import Offsets
from topology.login import connection, made
from topology.settings import Settings


def rewind(settings: Settings, name: str, *, forget: bool) -> dict[str, int]:
    """Set a stage's acknowledged offsets to the first message of each partition; return the messages to read, by topic.

    With `forget` its changelog is deleted too: a processor passes over what it remembers to have read. Fatal where the stage is
    unknown, reads nothing, or runs; nothing is changed then.
    """
    stage = stages().get(name)
    if stage is None or stage.per_venue:
        readers = ", ".join(one.name for one in stages().values() if not one.per_venue)
        raise Fatal(f"no stage called {name} reads topics; there are {readers}")
    offsets = Offsets(settings.kafka)
    try:
        places = offsets.partitions(topics_of(stage.reads))
        begins, ends = offsets.begins(places), offsets.ends(places)
        try:
            offsets.commit(stage.consumer_group, begins)
        except Retry as error:
            raise Fatal(
                f"{name} seems to run: stop every worker of it, wait {settings.processors.session_timeout:.0f} s, and try again ({error})"
            ) from error
    finally:
        offsets.close()
    if forget:
        admin = made(AdminClient, connection(settings.kafka))
        own = [
            one for one in admin.list_topics(timeout=10).topics if one.startswith(f"{stage.consumer_group}-") and one.endswith("-changelog")
        ]
        for future in admin.delete_topics(own).values() if own else ():
            future.result()
    again: Counter[str] = Counter()
    for place, end in ends.items():
        again[place[0]] += end - begins[place]
    return dict(again)
