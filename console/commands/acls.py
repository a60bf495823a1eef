"""`tidewire acls`: what each stage must be allowed at the brokers, from the flow."""

from topology.errors import Fatal
from topology.grants import Manage, Role, roles


def chosen(name: str, manage: Manage, *, shared: bool = False) -> list[Role]:
    """Return the role of a name, or all where it is empty; Fatal names those there are."""
    found = roles(manage, shared=shared)
    if not name:
        return found
    matching = [one for one in found if name in {one.name, one.stage}]
    if not matching:
        raise Fatal(f"nobody is called {name!r}; there are {', '.join(one.name for one in found)}")
    return matching
