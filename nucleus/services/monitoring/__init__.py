"""Monitoring: a Pushgateway that notices silence.

- ``Monitoring`` (service): the two HTTP servers.
- ``apps``: what each URL does. ``store``: the lock and the clock.
- ``groups``: the rules, pure. ``text_format``, ``grouping``: bodies and addresses, pure.
"""

from nucleus.services.monitoring.service import Monitoring

__all__ = ["Monitoring"]
