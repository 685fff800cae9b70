"""A worker that is asked to stop brings the calls to services that it has begun to their end.

One that is killed instead loses nothing either: its claims run out, and the calls are made again after that.
"""

from celery.signals import worker_process_shutdown, worker_shutdown

from jobs.services import callers
from jobs.services.outbound import TOTAL_SECONDS


@worker_process_shutdown.connect  # of a prefork pool's children, which make the calls there
@worker_shutdown.connect  # of a worker whose pool is threads
def finish(**_: object) -> bool:
    """Wait for as long as a call may take, and a little for writing down its answer."""
    return callers.drain(TOTAL_SECONDS + 2)
