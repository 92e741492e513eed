"""Who works, who is silent, and who has too much to do."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.board import board, choice
from boards.panels import (
    BEATS_PER_MINUTE,
    COUNT,
    SECONDS,
    SHARE,
    SHOWN_AS_A_WORD,
    columns,
    lines,
    number,
    states,
)

SILENT_AFTER = 10.0  # seconds; the default of Monitoring, and of the master's --worker-timeout

CHOSEN = '{worker=~"$worker"}'
AGE = f"max by (worker) (worker:nucleus_worker_heartbeat:age_seconds{CHOSEN})"
UP = f"max by (worker) (nucleus_worker_up{CHOSEN})"
RUNNING = f"sum by (worker) (nucleus_worker_running_jobs{CHOSEN})"
SLOTS = f"sum by (worker) (nucleus_worker_slots{CHOSEN})"
BEATS = f"60 * sum by (worker) (rate(nucleus_worker_heartbeats_total{CHOSEN}[$__rate_interval]))"

_NOW = [
    number(
        "Alive",
        "Workers that the master counts on.",
        COUNT,
        {"alive": 'sum(nucleus_workers{state="alive"})'},
        steps=[(None, "red"), (1, "green")],
    ),
    number(
        "Lost",
        "Workers that the master has given up on in the last five minutes: silent for too long, "
        "or replaced by a newer process of the same name.",
        COUNT,
        {"lost": 'sum(nucleus_workers{state="lost"})'},
        steps=[(None, "green"), (1, "red")],
    ),
    number(
        "Left",
        "Workers that said goodbye in the last five minutes.",
        COUNT,
        {"left": 'sum(nucleus_workers{state="left"})'},
    ),
    number(
        "Silent",
        "Workers that Monitoring has not heard for more than 10 s. The master and Monitoring "
        "judge apart: a worker may reach one of them and not the other.",
        COUNT,
        {"silent": "sum(nucleus_worker_up == bool 0)"},
        steps=[(None, "green"), (1, "red")],
    ),
    number(
        "Slots",
        "Jobs that the workers that are heard can run at once.",
        COUNT,
        {"slots": "sum(nucleus_worker_slots and on (worker) nucleus_worker_up == 1)"},
    ),
    number(
        "Busy slots",
        "Share of these slots in which a job runs.",
        SHARE,
        {"busy": "cluster:nucleus_worker_slots_busy:ratio"},
    ),
]

_HEARTBEATS = [
    states(
        "Heard by Monitoring",
        "Green while Monitoring has heard the worker within 10 s. A worker that stopped in peace "
        "ends; one that fell silent turns red, and ends after five minutes.",
        {"{{worker}}": UP},
    ),
    lines(
        "Heartbeat age",
        "Time since Monitoring last heard the worker. A saw of about 3 s is health; a line that "
        "rises is a worker that is dead, frozen or cut off. Above the red line it is down.",
        SECONDS,
        {"{{worker}}": AGE},
        limit=SILENT_AFTER,
        width=12,
    ),
    lines(
        "Heartbeats",
        "Heartbeats that the master answered: about 20 a minute, at one every 3 s. A worker whose "
        "age is low here and whose beats are 0 reaches Monitoring, and not the master.",
        BEATS_PER_MINUTE,
        {"{{worker}}": BEATS},
        width=12,
    ),
]

_WORK = [
    lines(
        "Running jobs",
        "Jobs being run by each worker, as it says itself.",
        COUNT,
        {"{{worker}}": RUNNING},
        stacked=True,
    ),
    lines(
        "Busy",
        "Share of each worker's slots in which a job runs. One worker far below the others may "
        "be slow to be sent work, or not offer the types that wait.",
        SHARE,
        {"{{worker}}": f"{RUNNING} / {SLOTS}"},
    ),
    lines(
        "Workers by state",
        "The master's verdict: alive, lost or left. Who is gone is listed for five minutes.",
        COUNT,
        {"{{state}}": "sum by (state) (nucleus_workers)"},
        colors={"alive": "green", "lost": "red", "left": "yellow"},
    ),
    columns(
        "Each worker",
        "As of now: whether Monitoring hears it, the age of its last heartbeat, and its work.",
        "worker",
        {
            "up": (COUNT, UP),
            "heartbeat age": (SECONDS, AGE),
            "running": (COUNT, RUNNING),
            "slots": (COUNT, SLOTS),
            "beats": (BEATS_PER_MINUTE, BEATS),
        },
        width=16,
    ).override_by_name("up", SHOWN_AS_A_WORD),
    lines(
        "Age of the last push",
        "Time since each part last pushed its numbers to Monitoring, the master included. What a "
        "part pushes is as old as this.",
        SECONDS,
        {
            "{{job}} {{instance}}": (
                "time() - max by (job, instance) (nucleus_push_last_timestamp_seconds)"
            )
        },
        limit=SILENT_AFTER,
    ),
]


def workers() -> Dashboard:
    """The dashboard at ``/d/nucleus-workers``."""
    return board(
        "workers",
        "workers",
        "Heartbeats, and who runs what. Marks across the graphs are faults.",
        [("Now", _NOW), ("Heartbeats", _HEARTBEATS), ("Work", _WORK)],
        choice("worker", "Worker", "label_values(nucleus_worker_up, worker)"),
    )
