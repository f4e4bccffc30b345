"""Everything that reads foreign bytes: what it reads, its budget, what is charged, and the tests that attack it.

The one table to extend: tests/access/test_budgets.py finds whoever opens, parses or walks bytes in the code, and each
door of the resolver that takes any; what is not in here fails the suite. Limits are the constants of the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reader:
    """A module that reads what somebody else wrote. Each of `limits` is `module.CONSTANT`, above zero; each of
    `attacked_by` is `file::test`; `charged` says who pays for it, whatever is answered."""

    module: str
    reads: str
    limits: tuple[str, ...]
    charged: str
    attacked_by: tuple[str, ...]


_NODE: Final = "the node: bytes as sent and as opened, elements, samples (telemetry.pace), whatever the answer"
_PERSON: Final = "the person or address: requests a minute (throttling, allauth's rate limits)"
_CLERK: Final = "the person: requests a minute; a large file is read in a process of its own"
_BOMBS: Final = (
    "tests/telemetry/test_bodies.py::test_a_bomb_is_read_apart_within_its_limits_and_paid_for",
    "tests/telemetry/test_bodies.py::test_at_the_doors_each_kind_is_answered_and_the_loop_ticks_on",
    "tests/telemetry/test_bodies.py::test_work_is_charged_whatever_the_answer",
    "tests/integration/test_bombs.py::test_nobody_waits_for_a_bomb",
)

READERS: Final = (
    Reader(
        "telemetry.compression",
        "bodies of nodes in snappy, gzip and zstd",
        (
            "telemetry.remote_write.MAX_COMPRESSED_BYTES",
            "telemetry.remote_write.MAX_DECOMPRESSED_BYTES",
            "telemetry.compression.MAX_GZIP_MEMBERS",
        ),
        _NODE,
        (*_BOMBS, "tests/telemetry/test_bodies.py::test_any_bytes_are_opened_or_refused"),
    ),
    Reader(
        "telemetry.remote_write",
        "remote-write 1.0: snappy, protobuf, labels",
        (
            "telemetry.remote_write.MAX_SERIES_PER_BODY",
            "telemetry.remote_write.MAX_SAMPLES_PER_BODY",
            "telemetry.remote_write.MAX_ELEMENTS_PER_BODY",
            "telemetry.remote_write.MAX_LABELS",
            "telemetry.remote_write.MAX_LABELS_BYTES",
        ),
        _NODE,
        (*_BOMBS, "tests/telemetry/test_remote_write.py::test_an_element_bomb_stops_early"),
    ),
    Reader(
        "telemetry.remote_write_v2",
        "remote-write 2.0: symbols and protobuf",
        ("telemetry.remote_write_v2.MAX_SYMBOLS", "telemetry.remote_write.MAX_ELEMENTS_PER_BODY"),
        _NODE,
        (*_BOMBS, "tests/telemetry/test_bodies.py::test_any_message_is_read_or_refused"),
    ),
    Reader(
        "telemetry.otlp_weight",
        "OTLP before it is parsed: how many elements and how deep, protobuf and JSON",
        ("telemetry.otlp_weight.MAX_ELEMENTS", "telemetry.otlp_weight.MAX_NESTING"),
        _NODE,
        (
            "tests/telemetry/test_bodies.py::test_json_is_weighed_as_it_is",
            "tests/telemetry/test_bodies.py::test_protobuf_is_weighed_as_it_is",
            "tests/telemetry/test_bodies.py::test_the_guess_is_never_too_low",
        ),
    ),
    Reader(
        "telemetry.otlp",
        "OTLP metrics, protobuf and JSON, that were weighed",
        ("telemetry.decoding.MAX_OTLP_BYTES", "telemetry.otlp_weight.MAX_ELEMENTS", "telemetry.otlp.MAX_UNIT"),
        _NODE,
        (*_BOMBS, "tests/telemetry/test_otlp.py::test_any_bytes_are_a_request_or_refused"),
    ),
    Reader(
        "telemetry.door",
        "the ingest doors' requests, as they arrive",
        ("telemetry.remote_write.MAX_COMPRESSED_BYTES", "telemetry.heavy_bodies.MAX_WAITING"),
        _NODE,
        (*_BOMBS, "tests/access/test_hostile.py::test_no_body_breaks_an_ingest_door"),
    ),
    Reader(
        "telemetry.consumers",
        "frames of websockets",
        ("telemetry.consumers.MOST_HEARD_BYTES", "telemetry.watchers.MOST_OF_A_PERSON"),
        "the person: sockets at once",
        (
            "tests/access/test_socket_limits.py::test_a_large_frame_ends_the_socket_and_a_small_one_is_ignored",
            "tests/access/test_socket_limits.py::test_one_socket_more_than_a_person_may_have_is_closed",
            "tests/access/test_hostile.py::test_no_handshake_breaks_a_socket",
        ),
    ),
    Reader(
        "xfra_portal.unreadable",
        "path, query, headers, forms and JSON of every other request",
        (
            "xfra_portal.unreadable.DEEPEST_JSON",
            "xfra_portal.unreadable.MOST_JSON_VALUES",
            "xfra_portal.unreadable.MOST_SIGN_IN_BYTES",
            "xfra_portal.unreadable.MOST_QUERY_BYTES",
            "xfra_portal.unreadable.MOST_DIGITS",
        ),
        _PERSON,
        (
            "tests/access/test_hostile.py::test_no_request_breaks_a_door",
            "tests/access/test_hostile.py::test_what_no_json_may_be_is_said_at_each_door_that_takes_json",
        ),
    ),
    Reader(
        "xfra_portal.api.idempotency",
        "the bytes of a write, for their digest",
        ("xfra_portal.unreadable.MOST_JSON_VALUES",),
        _PERSON,
        ("tests/access/test_hostile.py::test_no_request_breaks_a_door",),
    ),
    Reader(
        "xfra_portal.api.accounts",
        "a utility's file, sent to the API",
        ("billing.greenbutton.filed.MAX_BYTES",),
        _CLERK,
        ("tests/access/test_hostile.py::test_no_request_breaks_a_door",),
    ),
    Reader(
        "xfra_portal.desk.homes",
        "a utility's file, sent to the desk's form",
        ("xfra_portal.desk.forms.MOST_FILE_BYTES",),
        _CLERK,
        ("tests/access/test_hostile.py::test_no_request_breaks_a_door",),
    ),
    Reader(
        "billing.greenbutton.packing",
        "ZIP archives of utilities, and the encoding of their texts",
        ("billing.greenbutton.filed.MAX_BYTES", "billing.greenbutton.packing.MAX_DIRECTORY_BYTES"),
        _CLERK,
        (
            "tests/billing/test_utility_csv.py::test_what_is_refused_names_the_place_and_the_remedy",
            "tests/billing/test_file_growth.py::test_four_times_the_file_is_about_four_times_the_work",
            "tests/billing/test_file_growth.py::test_what_is_more_than_a_file_may_have_is_refused",
        ),
    ),
    Reader(
        "billing.greenbutton.csv_import",
        "CSV of utilities",
        (
            "billing.greenbutton.filed.MAX_BYTES",
            "billing.greenbutton.filed.MAX_INTERVALS",
            "billing.greenbutton.csv_columns.MAX_COLUMNS",
            "billing.greenbutton.csv_import.MAX_TEXT_LINES",
            "billing.greenbutton.wall_times.MAX_LENGTH",
        ),
        _CLERK,
        (
            "tests/billing/test_utility_csv.py::test_what_is_refused_names_the_place_and_the_remedy",
            "tests/billing/test_file_growth.py::test_four_times_the_file_is_about_four_times_the_work",
            "tests/billing/test_file_growth.py::test_what_is_more_than_a_file_may_have_is_refused",
        ),
    ),
    Reader(
        "billing.greenbutton.espi_import",
        "Green Button XML of utilities",
        (
            "billing.greenbutton.filed.MAX_BYTES",
            "billing.greenbutton.filed.MAX_INTERVALS",
            "billing.greenbutton.espi_links.MAX_ENTRIES",
            "billing.greenbutton.espi_links.MAX_HREF",
            "billing.greenbutton.espi_links.MAX_LEVELS",
        ),
        _CLERK,
        (
            "tests/billing/test_utility_xml.py::test_a_hostile_feed_is_refused",
            "tests/billing/test_file_growth.py::test_four_times_the_file_is_about_four_times_the_work",
            "tests/billing/test_file_growth.py::test_what_is_more_than_a_file_may_have_is_refused",
        ),
    ),
    Reader(
        "billing.tariffs.fields",
        "tariff documents (URDB's JSON and our own fields), parsed by then",
        (
            "billing.tariffs.fields.MOST_PROBLEMS",
            "billing.tariffs.fields.MOST_RECORDS",
            "billing.tariffs.urdb.MOST_PERIODS",
        ),
        _CLERK,
        (
            "tests/billing/test_tariff_input.py::test_whatever_stands_anywhere_is_a_problem_or_fine_and_never_an_error",
            "tests/billing/test_tariffs.py::test_check_never_fails_whatever_a_field_holds",
        ),
    ),
    Reader(
        "billing.documents.verifier.bundle",
        "a proof bundle, on the computer of whoever checks it",
        ("billing.documents.verifier.bundle.MOST_BYTES",),
        "nobody of ours: it runs at the reader's",
        ("tests/billing/statement_documents/test_tampering.py::test_one_changed_value_is_found_and_named",),
    ),
)

OURS: Final = {
    "billing.demo": "the seed's own files",
    "billing.tariffs.seeds": "the seed's own files",
    "billing.freshness": "our rows in Postgres",
    "billing.history": "our rows in Postgres",
    "billing.intervals.evidence": "our rows in Postgres",
    "billing.documents.bundle": "writes an archive",
    "billing.documents.verifier.command": "a file that whoever runs it names",
    "billing.management.commands.import_tariff": "a file that whoever runs it names",
    "homes.apart": "our own child process",
    "homes.apart_child": "our own parent process",
    "homes.app_sessions": "what we sealed ourselves",
    "telemetry.batch": "our stream in Redis; cut and foreign bytes are dead letters (test_codecs)",
    "telemetry.chunks": "our rows in Postgres",
    "telemetry.latest": "our rows in Postgres",
    "telemetry.sealed": "our rows in Postgres",
    "telemetry.slabs": "our rows in Postgres",
    "telemetry.standstills": "what our web processes told Redis",
    "telemetry.store.client": "the engine beside Postgres, which we run",
    "telemetry.store.forwarding": "writes a body",
    "xfra_portal.lifespan": "the server that runs us",
}
"""Modules that parse, and nothing foreign; each with where its bytes are from."""


@dataclass(frozen=True, slots=True)
class Doors:
    """A family of addresses that take a body. `limits` and `attacked_by` as above."""

    begins: tuple[str, ...]
    takes: str
    limits: tuple[str, ...]
    charged: str
    attacked_by: tuple[str, ...]


_ALL_DOORS: Final = ("tests/access/test_hostile.py::test_no_request_breaks_a_door",)
DOORS: Final = (
    Doors(
        ("/_allauth/", "/accounts/", "/account/"),
        "forms and JSON of signing in",
        ("xfra_portal.unreadable.MOST_SIGN_IN_BYTES", "xfra_portal.unreadable.DEEPEST_JSON"),
        "the address and the account: allauth's rate limits",
        (*_ALL_DOORS, "tests/access/test_account_doors.py::test_every_door_is_decided_about_once"),
    ),
    Doors(
        ("/api/v1/",),
        "JSON, and utilities' files",
        ("xfra_portal.unreadable.MOST_JSON_VALUES", "billing.greenbutton.filed.MAX_BYTES"),
        _PERSON,
        _ALL_DOORS,
    ),
    Doors(
        ("/billing/", "/homes/", "/fleet/"),
        "forms",
        ("xfra_portal.unreadable.MOST_JSON_VALUES", "xfra_portal.desk.forms.MOST_FILE_BYTES"),
        "the session of the person",
        _ALL_DOORS,
    ),
)
