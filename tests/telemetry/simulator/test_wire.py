"""What leaves the simulator means what the snapshot says, in text and in remote-write."""

from __future__ import annotations

import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cramjam
import httpx
import numpy as np
import pytest

from telemetry.catalogue import BY_NAME, GPU_UUID_LABEL, KNOWN_METRICS, Kind, find_source
from telemetry.simulator.exposition import Exposition
from telemetry.simulator.faults import FaultKind
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.live import LiveFleet
from telemetry.simulator.nodes_file import read_nodes
from telemetry.simulator.profiles import gpu_uuids, profiles_for
from telemetry.simulator.push import Pusher
from telemetry.simulator.series import NodeSeries
from telemetry.simulator.serve import MetricsServer
from telemetry.simulator.wire import STALE_MARKER, BodyEncoder

HOME = 2


@pytest.fixture(params=["legacy", "base_units"])
def generation(request):
    return request.param


def fleet_of(make_fleet, generation, *faults):
    fleet = make_fleet(*faults)
    return Fleet(profiles_for(fleet.hostnames, 7, generation), 7, fleet.at, faults)


def series_of(fleet, home=HOME):
    profile = fleet.profiles[home]
    return NodeSeries(profile, gpu_uuids(profile.hostname, fleet.seed))


def read_back(samples, uuids):
    """{(kind, column, subject): base value} through the portal's own catalogue."""
    values = {}
    for metric, labels, value in samples:
        source = find_source(metric, labels)
        assert source is not None, metric
        subject: object = None
        if source.column.kind is Kind.GPU:
            subject = uuids.index(labels[GPU_UUID_LABEL])
        elif source.column.kind is Kind.CIRCUIT:
            subject = labels["circuit"]
        key = (source.column.kind, source.column.name, subject)
        assert key not in values
        values[key] = value * source.scale
    return values


def expected(snapshot, home=HOME):
    values = {(Kind.NODE, name, None): array[home] for name, array in snapshot.node.items()}
    values |= {(Kind.CIRCUIT, "power_watts", name): array[home] for name, array in snapshot.circuit.items()}
    for name in BY_NAME[Kind.GPU]:
        values |= {(Kind.GPU, name, gpu): snapshot.gpu[name][home, gpu] for gpu in range(16)}
    return {key: value for key, value in values.items() if not np.isnan(value)}


def test_text_read_back_through_the_catalogue_is_the_snapshot(make_fleet, make_fault, parse_text, generation):
    fleet = fleet_of(make_fleet, generation, make_fault(FaultKind.GPU_LOST, begin=5))
    for _ in range(30):
        fleet.step(61.003)
    node, snapshot = series_of(fleet), fleet.snapshot()
    samples = parse_text(Exposition(node, HOME).text(snapshot))
    values = read_back(samples, gpu_uuids(node.hostname, fleet.seed))
    wanted = expected(snapshot)
    assert values.keys() == wanted.keys()
    for key, value in wanted.items():
        assert values[key] == pytest.approx(value, rel=1e-12, abs=1e-9), key


def test_generations_speak_their_own_names(make_fleet, parse_text):
    metrics = {}
    for generation in ("legacy", "base_units"):
        fleet = fleet_of(make_fleet, generation)
        fleet.step(60)
        samples = parse_text(Exposition(series_of(fleet), HOME).text(fleet.snapshot()))
        metrics[generation] = {metric for metric, _, _ in samples}
        (labels,) = [labels for metric, labels, _ in samples if "SM_CLOCK" in metric and labels["gpu"] == "0"]
        assert ("Hostname" in labels, "hostname" in labels) == (generation == "legacy", generation == "base_units")
    assert "DCGM_FI_DEV_POWER_USAGE" in metrics["legacy"] - metrics["base_units"]
    assert "DCGM_FI_DEV_BOARD_POWER_WATTS" in metrics["base_units"] - metrics["legacy"]
    assert metrics["legacy"] | metrics["base_units"] == KNOWN_METRICS


def test_integers_are_printed_as_the_exporter_prints_them(make_fleet):
    fleet = fleet_of(make_fleet, "legacy")
    fleet.step(60)
    text = Exposition(series_of(fleet), HOME).text(fleet.snapshot())
    for line in text.splitlines():
        number = line.rpartition(" ")[2]
        if line.startswith(("DCGM_FI_DEV_GPU_UTIL{", "DCGM_FI_DEV_TOTAL_ENERGY", "DCGM_FI_DEV_FB_", "DCGM_FI_DEV_SM_")):
            assert number.isdigit(), line


def test_a_body_is_the_scrape_in_protobuf(make_fleet, make_fault, walk_write_request, as_float, generation):
    fleet = fleet_of(make_fleet, generation, make_fault(FaultKind.INTERNET_OUTAGE, 5, 20))
    encoder = BodyEncoder(series_of(fleet), HOME)
    uuids = gpu_uuids(fleet.hostnames[HOME], fleet.seed)
    for _ in range(30):
        fleet.step(60.017)
        snapshot = fleet.snapshot()
        body = encoder.encode(snapshot)
        assert body is not None
        series = walk_write_request(bytes(cramjam.snappy.decompress_raw(body)))
        assert {stamp for _, _, stamp in series} == {snapshot.at_ms}
        live = [(labels, raw) for labels, raw, _ in series if raw != STALE_MARKER]
        assert len(live) == encoder.samples
        values = read_back([(labels["__name__"], labels, as_float(raw)) for labels, raw in live], uuids)
        assert values == pytest.approx(expected(snapshot), rel=1e-12, abs=1e-9)
        assert {labels["instance"].partition(":")[0] for labels, _ in live} == {fleet.hostnames[HOME]}


def test_series_that_vanish_end_with_a_stale_marker_once(make_fleet, make_fault, walk_write_request):
    fleet = fleet_of(make_fleet, "legacy", make_fault(FaultKind.GPU_LOST, begin=2))
    encoder = BodyEncoder(series_of(fleet), HOME)
    stale = []
    for _ in range(5):
        fleet.step(60)
        series = walk_write_request(encoder.write_request(fleet.snapshot()))
        stale.append([labels for labels, raw, _ in series if raw == STALE_MARKER])
    # First the XID changes, and with it the identity of its series; then the whole GPU goes.
    assert [len(ended) for ended in stale] == [0, 1, len(BY_NAME[Kind.GPU]), 0, 0]
    assert stale[1][0]["err_code"] == "0"
    assert {labels["gpu"] for labels in stale[2]} == {"5"}
    assert "79" in {labels.get("err_code") for labels in stale[2]}


def test_a_silent_node_has_no_body(make_fleet, make_fault):
    fleet = fleet_of(make_fleet, "legacy", make_fault(FaultKind.SILENT, 0, 10))
    fleet.step(60)
    assert BodyEncoder(series_of(fleet), HOME).encode(fleet.snapshot()) is None


class Portal(ThreadingHTTPServer):
    """Answers as told and keeps what it accepted."""

    daemon_threads = True

    def __init__(self):
        self.answers, self.accepted, self.headers = [], [], {}
        super().__init__(("127.0.0.1", 0), _PortalHandler)


class _PortalHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.server.headers = {**self.headers, "path": self.path}
        if status == 204:
            self.server.accepted.append((self.headers["Authorization"], body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 503:
            self.send_header("Retry-After", "0.1")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def portal():
    server = Portal()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def live_fleet(make_fleet, count):
    fleet = make_fleet(hostnames=[f"xfra-{n:05d}" for n in range(count)])
    fleet.at_s = time.time() - 1.0
    return LiveFleet(fleet), [series_of(fleet, home) for home in range(count)]


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_pushing_repeats_what_a_server_could_not_take(make_fleet, portal, walk_write_request, caplog):
    caplog.set_level(logging.WARNING)
    portal.answers = [503, 204, 400]
    live, nodes = live_fleet(make_fleet, 1)
    pusher = Pusher(live, nodes, ["secret"], f"http://127.0.0.1:{portal.server_port}/", interval_s=0.1)
    pusher.start()
    wait_for(lambda: len(portal.accepted) >= 4)
    pusher.stop()
    stamps = []
    for authorization, body in portal.accepted:
        assert authorization == "Bearer secret"
        stamps.append(walk_write_request(bytes(cramjam.snappy.decompress_raw(body)))[0][2])
    assert stamps == sorted(set(stamps))
    assert pusher.totals.failed == 1 and pusher.totals.rejected == 1
    assert "HTTP 400" in caplog.text and "secret" not in caplog.text
    assert portal.headers["path"] == "/api/v1/write"
    assert portal.headers["Content-Type"] == "application/x-protobuf"
    assert portal.headers["Content-Encoding"] == "snappy"
    assert portal.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


def test_a_queue_that_nobody_empties_drops_the_oldest_and_says_so(make_fleet, caplog):
    live, nodes = live_fleet(make_fleet, 1)
    pusher = Pusher(live, nodes, ["secret"], "http://127.0.0.1:9", interval_s=100.0)
    (outbox,) = pusher._outboxes
    for number in range(5):
        pusher._enqueue(outbox, bytes([number]))
    assert [body for body, _ in outbox.waiting] == [b"\x02", b"\x03", b"\x04"]
    assert pusher.totals.dropped == 2 and "dropped" in caplog.text


def test_serving_keeps_what_it_served(make_fleet, parse_text):
    live, nodes = live_fleet(make_fleet, 2)
    server = MetricsServer(live, nodes, "127.0.0.1", 0)
    server.start()
    base = f"http://127.0.0.1:{server.server_port}"
    first = httpx.get(f"{base}/metrics").text
    second = httpx.get(f"{base}/nodes/xfra-00001/metrics").text
    assert [one.text for one in server.served] == [first, second]
    assert [one.hostname for one in server.served] == ["xfra-00000", "xfra-00001"]
    assert len(parse_text(second)) > 700
    assert httpx.get(f"{base}/nodes/xfra-00009/metrics").status_code == 404
    server.shutdown()
    server.server_close()


def test_both_forms_of_a_nodes_file_are_read(tmp_path):
    plain, demo = tmp_path / "plain.json", tmp_path / "demo.json"
    plain.write_text('{"xfra-00000": "a", "xfra-00001": "b"}')
    demo.write_text('{"url": "x", "nodes": [{"id": 1, "hostname": "xfra-00000", "token": "a"}]}')
    assert read_nodes(plain) == {"xfra-00000": "a", "xfra-00001": "b"}
    assert read_nodes(demo) == {"xfra-00000": "a"}
    demo.write_text("[]")
    with pytest.raises(ValueError, match="not a JSON object"):
        read_nodes(demo)
