from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    RESULT: _ClassVar[Outcome]
    ERROR: _ClassVar[Outcome]
    RELEASED: _ClassVar[Outcome]

class JobStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATUS_UNSPECIFIED: _ClassVar[JobStatus]
    QUEUED: _ClassVar[JobStatus]
    RUNNING: _ClassVar[JobStatus]
    COMPLETED: _ClassVar[JobStatus]
    FAILED: _ClassVar[JobStatus]
    CANCELLED: _ClassVar[JobStatus]
OUTCOME_UNSPECIFIED: Outcome
RESULT: Outcome
ERROR: Outcome
RELEASED: Outcome
JOB_STATUS_UNSPECIFIED: JobStatus
QUEUED: JobStatus
RUNNING: JobStatus
COMPLETED: JobStatus
FAILED: JobStatus
CANCELLED: JobStatus

class JobSpec(_message.Message):
    __slots__ = ("job_type", "payload", "priority", "delay", "max_attempts", "timeout", "idempotency_key", "client_seq")
    JOB_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SEQ_FIELD_NUMBER: _ClassVar[int]
    job_type: str
    payload: str
    priority: int
    delay: float
    max_attempts: int
    timeout: float
    idempotency_key: str
    client_seq: int
    def __init__(self, job_type: _Optional[str] = ..., payload: _Optional[str] = ..., priority: _Optional[int] = ..., delay: _Optional[float] = ..., max_attempts: _Optional[int] = ..., timeout: _Optional[float] = ..., idempotency_key: _Optional[str] = ..., client_seq: _Optional[int] = ...) -> None: ...

class SendJobReply(_message.Message):
    __slots__ = ("job_id", "duplicate", "ledger_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    duplicate: bool
    ledger_id: str
    def __init__(self, job_id: _Optional[str] = ..., duplicate: _Optional[bool] = ..., ledger_id: _Optional[str] = ...) -> None: ...

class SendJobsRequest(_message.Message):
    __slots__ = ("client_id", "orders")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    def __init__(self, client_id: _Optional[str] = ..., orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("like", "payloads")
    LIKE_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    like: JobSpec
    payloads: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, like: _Optional[_Union[JobSpec, _Mapping]] = ..., payloads: _Optional[_Iterable[str]] = ...) -> None: ...

class SendJobsReply(_message.Message):
    __slots__ = ("job_ids", "duplicates", "refused", "ledger_id")
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    duplicates: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[Refused]
    ledger_id: str
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ..., duplicates: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[Refused, _Mapping]]] = ..., ledger_id: _Optional[str] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("place", "refusal")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    place: int
    refusal: Refusal
    def __init__(self, place: _Optional[int] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ("window", "seq")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    window: int
    seq: int
    def __init__(self, window: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class GetJobsRequest(_message.Message):
    __slots__ = ("worker", "incarnation", "session", "slots", "credit", "job_types", "leases")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPES_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    worker: str
    incarnation: str
    session: int
    slots: int
    credit: Credit
    job_types: _containers.RepeatedScalarFieldContainer[str]
    leases: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, worker: _Optional[str] = ..., incarnation: _Optional[str] = ..., session: _Optional[int] = ..., slots: _Optional[int] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., job_types: _Optional[_Iterable[str]] = ..., leases: _Optional[_Iterable[int]] = ...) -> None: ...

class JobBatch(_message.Message):
    __slots__ = ("session", "ledger_id", "voided", "leases")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    session: int
    ledger_id: str
    voided: _containers.RepeatedScalarFieldContainer[int]
    leases: _containers.RepeatedCompositeFieldContainer[Leases]
    def __init__(self, session: _Optional[int] = ..., ledger_id: _Optional[str] = ..., voided: _Optional[_Iterable[int]] = ..., leases: _Optional[_Iterable[_Union[Leases, _Mapping]]] = ...) -> None: ...

class Leases(_message.Message):
    __slots__ = ("job_type", "timeout", "job_ids", "leases", "payloads", "attempts")
    JOB_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    job_type: str
    timeout: float
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    leases: _containers.RepeatedScalarFieldContainer[int]
    payloads: _containers.RepeatedScalarFieldContainer[str]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job_type: _Optional[str] = ..., timeout: _Optional[float] = ..., job_ids: _Optional[_Iterable[str]] = ..., leases: _Optional[_Iterable[int]] = ..., payloads: _Optional[_Iterable[str]] = ..., attempts: _Optional[_Iterable[int]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("job_id", "lease", "result", "error", "released", "output", "run_seconds")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    lease: int
    result: str
    error: str
    released: bool
    output: str
    run_seconds: float
    def __init__(self, job_id: _Optional[str] = ..., lease: _Optional[int] = ..., result: _Optional[str] = ..., error: _Optional[str] = ..., released: _Optional[bool] = ..., output: _Optional[str] = ..., run_seconds: _Optional[float] = ...) -> None: ...

class SendResultRequest(_message.Message):
    __slots__ = ("worker", "incarnation", "result")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    worker: str
    incarnation: str
    result: Result
    def __init__(self, worker: _Optional[str] = ..., incarnation: _Optional[str] = ..., result: _Optional[_Union[Result, _Mapping]] = ...) -> None: ...

class SendResultReply(_message.Message):
    __slots__ = ("ledger_id",)
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    ledger_id: str
    def __init__(self, ledger_id: _Optional[str] = ...) -> None: ...

class SendResultsRequest(_message.Message):
    __slots__ = ("worker", "incarnation", "credit", "results", "stopped")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    worker: str
    incarnation: str
    credit: Credit
    results: Results
    stopped: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, worker: _Optional[str] = ..., incarnation: _Optional[str] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., results: _Optional[_Union[Results, _Mapping]] = ..., stopped: _Optional[_Iterable[int]] = ...) -> None: ...

class Results(_message.Message):
    __slots__ = ("job_ids", "leases", "outcomes", "texts", "outputs", "run_seconds")
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    leases: _containers.RepeatedScalarFieldContainer[int]
    outcomes: _containers.RepeatedScalarFieldContainer[Outcome]
    texts: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    run_seconds: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ..., leases: _Optional[_Iterable[int]] = ..., outcomes: _Optional[_Iterable[_Union[Outcome, str]]] = ..., texts: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Iterable[str]] = ..., run_seconds: _Optional[_Iterable[float]] = ...) -> None: ...

class SendResultsReply(_message.Message):
    __slots__ = ("refused", "voided", "ledger_id")
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    refused: _containers.RepeatedCompositeFieldContainer[Refused]
    voided: _containers.RepeatedScalarFieldContainer[int]
    ledger_id: str
    def __init__(self, refused: _Optional[_Iterable[_Union[Refused, _Mapping]]] = ..., voided: _Optional[_Iterable[int]] = ..., ledger_id: _Optional[str] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("worker", "incarnation", "session", "credit", "running", "stopped", "leaving")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    worker: str
    incarnation: str
    session: int
    credit: Credit
    running: _containers.RepeatedScalarFieldContainer[int]
    stopped: _containers.RepeatedScalarFieldContainer[int]
    leaving: bool
    def __init__(self, worker: _Optional[str] = ..., incarnation: _Optional[str] = ..., session: _Optional[int] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., running: _Optional[_Iterable[int]] = ..., stopped: _Optional[_Iterable[int]] = ..., leaving: _Optional[bool] = ...) -> None: ...

class HeartbeatReply(_message.Message):
    __slots__ = ("open_again", "voided", "ledger_id", "epoch")
    OPEN_AGAIN_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    open_again: bool
    voided: _containers.RepeatedScalarFieldContainer[int]
    ledger_id: str
    epoch: int
    def __init__(self, open_again: _Optional[bool] = ..., voided: _Optional[_Iterable[int]] = ..., ledger_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("job_id", "job_type", "payload", "status", "result", "error", "output", "worker", "lease", "attempts", "max_attempts", "priority", "timeout", "submitted_at", "not_before", "started_at", "finished_at", "retry_of", "idempotency_key")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    job_type: str
    payload: str
    status: JobStatus
    result: str
    error: str
    output: str
    worker: str
    lease: int
    attempts: int
    max_attempts: int
    priority: int
    timeout: float
    submitted_at: float
    not_before: float
    started_at: float
    finished_at: float
    retry_of: str
    idempotency_key: str
    def __init__(self, job_id: _Optional[str] = ..., job_type: _Optional[str] = ..., payload: _Optional[str] = ..., status: _Optional[_Union[JobStatus, str]] = ..., result: _Optional[str] = ..., error: _Optional[str] = ..., output: _Optional[str] = ..., worker: _Optional[str] = ..., lease: _Optional[int] = ..., attempts: _Optional[int] = ..., max_attempts: _Optional[int] = ..., priority: _Optional[int] = ..., timeout: _Optional[float] = ..., submitted_at: _Optional[float] = ..., not_before: _Optional[float] = ..., started_at: _Optional[float] = ..., finished_at: _Optional[float] = ..., retry_of: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class GetAllJobsRequest(_message.Message):
    __slots__ = ("status", "limit", "page_token", "newest_first")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    status: _containers.RepeatedScalarFieldContainer[JobStatus]
    limit: int
    page_token: str
    newest_first: bool
    def __init__(self, status: _Optional[_Iterable[_Union[JobStatus, str]]] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ..., newest_first: _Optional[bool] = ...) -> None: ...

class GetAllJobsReply(_message.Message):
    __slots__ = ("jobs", "next_page_token", "ledger_id")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_page_token: str
    ledger_id: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., ledger_id: _Optional[str] = ...) -> None: ...

class LookupJobsRequest(_message.Message):
    __slots__ = ("job_ids",)
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class LookupJobsReply(_message.Message):
    __slots__ = ("jobs", "unknown", "ledger_id")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    ledger_id: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., unknown: _Optional[_Iterable[str]] = ..., ledger_id: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJobReply(_message.Message):
    __slots__ = ("ledger_id",)
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    ledger_id: str
    def __init__(self, ledger_id: _Optional[str] = ...) -> None: ...

class RetryJobRequest(_message.Message):
    __slots__ = ("job_id", "idempotency_key")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    idempotency_key: str
    def __init__(self, job_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("from_seq", "client_id", "kinds", "heartbeats")
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    from_seq: int
    client_id: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    heartbeats: bool
    def __init__(self, from_seq: _Optional[int] = ..., client_id: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., heartbeats: _Optional[bool] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("events", "next_seq", "ledger_id", "epoch")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Events]
    next_seq: int
    ledger_id: str
    epoch: int
    def __init__(self, events: _Optional[_Iterable[_Union[Events, _Mapping]]] = ..., next_seq: _Optional[int] = ..., ledger_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class Events(_message.Message):
    __slots__ = ("kind", "seq", "at", "job_id", "job_type", "payload", "priority", "not_before", "max_attempts", "timeout", "key", "client", "client_seq", "retry_of", "worker", "incarnation", "session", "slots", "job_types", "lease", "attempts", "result", "error", "output", "run_seconds", "reason", "front", "suspect", "epoch", "running")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SEQ_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPES_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FRONT_FIELD_NUMBER: _ClassVar[int]
    SUSPECT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    kind: str
    seq: _containers.RepeatedScalarFieldContainer[int]
    at: _containers.RepeatedScalarFieldContainer[float]
    job_id: _containers.RepeatedScalarFieldContainer[str]
    job_type: _containers.RepeatedScalarFieldContainer[str]
    payload: _containers.RepeatedScalarFieldContainer[str]
    priority: _containers.RepeatedScalarFieldContainer[int]
    not_before: _containers.RepeatedScalarFieldContainer[float]
    max_attempts: _containers.RepeatedScalarFieldContainer[int]
    timeout: _containers.RepeatedScalarFieldContainer[float]
    key: _containers.RepeatedScalarFieldContainer[str]
    client: _containers.RepeatedScalarFieldContainer[str]
    client_seq: _containers.RepeatedScalarFieldContainer[int]
    retry_of: _containers.RepeatedScalarFieldContainer[str]
    worker: _containers.RepeatedScalarFieldContainer[str]
    incarnation: _containers.RepeatedScalarFieldContainer[str]
    session: _containers.RepeatedScalarFieldContainer[int]
    slots: _containers.RepeatedScalarFieldContainer[int]
    job_types: _containers.RepeatedCompositeFieldContainer[Names]
    lease: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    result: _containers.RepeatedScalarFieldContainer[str]
    error: _containers.RepeatedScalarFieldContainer[str]
    output: _containers.RepeatedScalarFieldContainer[str]
    run_seconds: _containers.RepeatedScalarFieldContainer[float]
    reason: _containers.RepeatedScalarFieldContainer[str]
    front: _containers.RepeatedScalarFieldContainer[bool]
    suspect: _containers.RepeatedScalarFieldContainer[bool]
    epoch: _containers.RepeatedScalarFieldContainer[int]
    running: _containers.RepeatedCompositeFieldContainer[Numbers]
    def __init__(self, kind: _Optional[str] = ..., seq: _Optional[_Iterable[int]] = ..., at: _Optional[_Iterable[float]] = ..., job_id: _Optional[_Iterable[str]] = ..., job_type: _Optional[_Iterable[str]] = ..., payload: _Optional[_Iterable[str]] = ..., priority: _Optional[_Iterable[int]] = ..., not_before: _Optional[_Iterable[float]] = ..., max_attempts: _Optional[_Iterable[int]] = ..., timeout: _Optional[_Iterable[float]] = ..., key: _Optional[_Iterable[str]] = ..., client: _Optional[_Iterable[str]] = ..., client_seq: _Optional[_Iterable[int]] = ..., retry_of: _Optional[_Iterable[str]] = ..., worker: _Optional[_Iterable[str]] = ..., incarnation: _Optional[_Iterable[str]] = ..., session: _Optional[_Iterable[int]] = ..., slots: _Optional[_Iterable[int]] = ..., job_types: _Optional[_Iterable[_Union[Names, _Mapping]]] = ..., lease: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., result: _Optional[_Iterable[str]] = ..., error: _Optional[_Iterable[str]] = ..., output: _Optional[_Iterable[str]] = ..., run_seconds: _Optional[_Iterable[float]] = ..., reason: _Optional[_Iterable[str]] = ..., front: _Optional[_Iterable[bool]] = ..., suspect: _Optional[_Iterable[bool]] = ..., epoch: _Optional[_Iterable[int]] = ..., running: _Optional[_Iterable[_Union[Numbers, _Mapping]]] = ...) -> None: ...

class Names(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class Numbers(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class GetClusterStateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerState(_message.Message):
    __slots__ = ("worker", "incarnation", "state", "session", "connected", "slots", "window", "held", "running", "heartbeat_age", "joined_at", "job_types")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_AGE_FIELD_NUMBER: _ClassVar[int]
    JOINED_AT_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPES_FIELD_NUMBER: _ClassVar[int]
    worker: str
    incarnation: str
    state: str
    session: int
    connected: bool
    slots: int
    window: int
    held: int
    running: _containers.RepeatedScalarFieldContainer[int]
    heartbeat_age: float
    joined_at: float
    job_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, worker: _Optional[str] = ..., incarnation: _Optional[str] = ..., state: _Optional[str] = ..., session: _Optional[int] = ..., connected: _Optional[bool] = ..., slots: _Optional[int] = ..., window: _Optional[int] = ..., held: _Optional[int] = ..., running: _Optional[_Iterable[int]] = ..., heartbeat_age: _Optional[float] = ..., joined_at: _Optional[float] = ..., job_types: _Optional[_Iterable[str]] = ...) -> None: ...

class JobTypeInfo(_message.Message):
    __slots__ = ("job_type", "allowed")
    JOB_TYPE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    job_type: str
    allowed: str
    def __init__(self, job_type: _Optional[str] = ..., allowed: _Optional[str] = ...) -> None: ...

class ClusterState(_message.Message):
    __slots__ = ("ledger_id", "epoch", "now", "workers", "jobs", "submitted", "requeued", "rejected", "oldest_queued_age", "job_types", "next_seq", "worker_timeout")
    class JobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class RequeuedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class RejectedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    REQUEUED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_QUEUED_AGE_FIELD_NUMBER: _ClassVar[int]
    JOB_TYPES_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    WORKER_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ledger_id: str
    epoch: int
    now: float
    workers: _containers.RepeatedCompositeFieldContainer[WorkerState]
    jobs: _containers.ScalarMap[str, int]
    submitted: int
    requeued: _containers.ScalarMap[str, int]
    rejected: _containers.ScalarMap[str, int]
    oldest_queued_age: float
    job_types: _containers.RepeatedCompositeFieldContainer[JobTypeInfo]
    next_seq: int
    worker_timeout: float
    def __init__(self, ledger_id: _Optional[str] = ..., epoch: _Optional[int] = ..., now: _Optional[float] = ..., workers: _Optional[_Iterable[_Union[WorkerState, _Mapping]]] = ..., jobs: _Optional[_Mapping[str, int]] = ..., submitted: _Optional[int] = ..., requeued: _Optional[_Mapping[str, int]] = ..., rejected: _Optional[_Mapping[str, int]] = ..., oldest_queued_age: _Optional[float] = ..., job_types: _Optional[_Iterable[_Union[JobTypeInfo, _Mapping]]] = ..., next_seq: _Optional[int] = ..., worker_timeout: _Optional[float] = ...) -> None: ...
