"""What the pure rooms (schemas, dialects) raise; a stage answers it with a dead letter."""


class InvalidDatum(ValueError):
    """A text or datum which cannot be what it claims to be: nothing may be made of it but a dead letter."""
