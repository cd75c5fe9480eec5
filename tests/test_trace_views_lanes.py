"""Lanes: one lane a class, one band a turn; and the counts of what a request cost.

Promised: every arrow is an edge of the trace; the picture is well-formed, fetches nothing, has
an alternative text and a twin in text, which fits 80, 100 and 120 columns.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from xml.etree import ElementTree

import pytest
from test_trace_views_story import NAMES, printed, recorded
from trace_scenarios import traced

from minitornado.classroom import show
from minitornado.classroom.palette import PALETTE
from minitornado.trace import Trace
from minitornado.trace.views import Counts, Lanes, lanes_svg
from minitornado.trace.views.lanes import LANES, LOOP, lane_of
from minitornado.trace.views.words import when

pytestmark = pytest.mark.deadline(120)

SVG = "{http://www.w3.org/2000/svg}"


def lanes(name: str, **options: str) -> Lanes:
    return Lanes(recorded(name)[0], **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_full_arrow_comes_from_the_bracket_around_or_from_the_loop(name: str) -> None:
    trace = recorded(name)[0]
    for row in lanes(name).rows:
        around = [lane_of(event) for event in trace.ancestors(row.event)]
        if row.caller is not None:
            assert row.caller in around or (row.caller == LOOP and not _shown_around(name, row))
            assert row.caller != row.lane


def _shown_around(name: str, row: object) -> list[int]:
    shown = {other.event.seq for other in lanes(name).rows}
    trace = recorded(name)[0]
    return [event.seq for event in trace.ancestors(row.event) if event.seq in shown]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_a_dashed_arrow_leads_from_what_was_scheduled_to_what_ran(name: str) -> None:
    trace = recorded(name)[0]
    picture = lanes(name)
    for at, row in enumerate(picture.rows):
        if row.asked is not None:
            asking = picture.rows[row.asked].event
            assert row.asked < at and asking.kind == "schedule"
            ran = next(e for e in (row.event, *trace.ancestors(row.event)) if e.kind == "run")
            assert asking.seq in (ran.cause, ran.link)


def test_a_handler_that_runs_again_and_again_was_asked_for_once() -> None:
    picture = lanes("post in parts")
    asked = [row.asked for row in picture.rows if row.label == "_handle_events"]
    assert len(asked) == 3 and len(set(asked)) == 1


def test_what_was_queued_is_joined_with_what_ran() -> None:
    rows = lanes("slow", req="c1r1").rows
    joined = {(rows[row.asked].label, row.label) for row in rows if row.asked is not None}
    assert joined == {
        ("add_handler c1", "_handle_events"), ("add_callback", "read_response goes on"),
        ("call_at", "set_result"), ("add_callback", "slow goes on"),
        ("add_callback", "_end_exchange goes on"),
    }  # fmt: skip


def test_a_timeout_that_never_came_due_is_not_drawn() -> None:
    assert not [row for row in lanes("get").rows if row.label == "call_at"]
    assert [row for row in lanes("idle").rows if row.label == "call_at"]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_in_the_band_of_its_turn(name: str) -> None:
    picture = lanes(name)
    for band in picture.bands:
        assert {when(row.event) for row in picture.rows[band.first : band.last + 1]} == {band.when}
    assert sum(band.last - band.first + 1 for band in picture.bands) == len(picture.rows)


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_covers_what_ran_inside_of_it(name: str) -> None:
    trace = recorded(name)[0]
    picture = lanes(name)
    for bar in picture.bars:
        outer = picture.rows[bar.first].event
        for row in picture.rows[bar.first + 1 : bar.last + 1]:
            assert outer in trace.ancestors(row.event)


def test_the_lanes_are_the_classes_of_the_palette_from_the_kernel_to_the_application() -> None:
    assert tuple(PALETTE) == LANES
    used = {LANES[row.lane] for row in lanes("get").rows}
    assert used == set(LANES)


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_one_that_a_notebook_shows(name: str) -> None:
    picture = lanes(name)
    root = ElementTree.fromstring(picture.svg())
    assert root.tag == SVG + "svg" and root.get("viewBox")
    assert root.find(SVG + "title").text and root.find(SVG + "desc").text  # type: ignore[union-attr]
    show._check_svg(picture.svg())  # refuses scripts, references, fonts of the network


def test_text_on_the_picture_has_colours_of_the_palette_or_white_on_one() -> None:
    root = ElementTree.fromstring(lanes("get").svg())
    colours = {text.get("fill") for text in root.iter(SVG + "text")}
    assert colours <= {*PALETTE.values(), "#ffffff"}


def test_everything_drawn_is_within_the_picture() -> None:
    root = ElementTree.fromstring(lanes("two clients").svg())
    _x, _y, width, height = map(float, root.get("viewBox", "").split())
    for rect in root.iter(SVG + "rect"):
        assert 0 <= float(rect.get("x", 0)) <= float(rect.get("x", 0)) + float(
            rect.get("width", 0)
        ) <= width
        assert 0 <= float(rect.get("y", 0)) <= height


def test_no_two_boxes_overlap() -> None:
    for name in NAMES:
        rects = [
            rect for rect in ElementTree.fromstring(lanes(name).svg()).iter(SVG + "rect")
            if rect.get("height") == "18"
        ]  # fmt: skip
        tops = [float(rect.get("y", 0)) for rect in rects]
        assert tops == sorted(set(tops))
        assert all(below - above >= 18 for above, below in itertools.pairwise(tops))


def test_the_alternative_text_counts_what_is_to_be_seen() -> None:
    picture = lanes("get")
    assert f"{len(picture.rows)} events" in picture.alt()
    turns = [band for band in picture.bands if band.when.startswith("turn")]
    assert f"{len(turns)} turns" in picture.alt()


def test_a_notebook_gets_the_picture_with_its_twin() -> None:
    bundle = lanes("get")._repr_mimebundle_()
    image = bundle["text/html"]
    assert re.match(r'<img alt="What happened.*" style="max-width:100%" src="data:image/svg', image)
    assert bundle["text/plain"] == lanes("get").text()


@pytest.mark.parametrize("name", NAMES)
def test_the_twin_fits_and_shows_every_row_in_its_lane(name: str) -> None:
    picture = lanes(name)
    for width in (80, 100, 120):
        text = printed(picture, width)
        assert max(map(len, text.splitlines())) <= width
        found = {int(line[:5]): line for line in text.splitlines() if line[:5].strip().isdigit()}
        pitch = 3 if width < 100 else 4
        for row in picture.rows:
            assert found[row.event.seq][7 + row.lane * pitch] == "●"
            assert row.label[:20] in found[row.event.seq]


def test_the_twin_says_who_asked() -> None:
    picture = lanes("slow")
    text = picture.text(100)
    for row in picture.rows:
        if row.asked is not None:
            asked = picture.rows[row.asked].event.seq
            assert re.search(rf"^ *{row.event.seq} .* asked {asked}$", text, re.M)


def test_twenty_recordings_are_drawn_in_the_same_bytes() -> None:
    assert len({Lanes(traced("get")[0]).svg() for _ in range(20)}) == 1


def test_a_title_with_markup_in_it_is_text() -> None:
    root = ElementTree.fromstring(lanes("get", title="<b> & co").svg())
    assert root.find(SVG + "title").text == "<b> & co"  # type: ignore[union-attr]


def test_an_empty_trace_is_an_empty_picture() -> None:
    picture = Lanes(Trace())
    ElementTree.fromstring(picture.svg())
    assert picture.rows == [] and "app" in picture.text()


# ---- counts ----


def test_counts_are_those_of_the_trace() -> None:
    trace = recorded("get")[0]
    counts = Counts(trace)
    for name in ("accept", "recv", "send", "epoll_ctl"):
        assert counts[name] == len(list(trace.filter(kind="syscall", name=name)))
    assert counts["polls"] == len(list(trace.filter(kind="poll")))
    assert counts["turns"] == max(event.turn for event in trace)


def test_a_get_and_its_end_cost_two_epoll_ctl_and_one_send() -> None:
    counts = Counts(recorded("get")[0], conn="c1")
    assert (counts["epoll_ctl"], counts["send"], counts["accept"]) == (2, 1, 2)
    assert re.search(r"2 epoll_ctl +1 ADD, 1 DEL", counts.text(80))
    assert re.search(r"2 accept +1 said EAGAIN", counts.text(80))


def test_each_of_two_clients_is_counted_for_itself() -> None:
    trace = recorded("two clients")[0]
    one, other = Counts(trace, conn="c1"), Counts(trace, conn="c2")
    whole = Counts(trace)
    assert one["send"] == other["send"] == 1
    assert one["recv"] + other["recv"] == whole["recv"]
    assert one["polls"] < whole["polls"]  # only those between its first event and its last


def test_a_part_that_was_sent_is_counted_as_a_part() -> None:
    assert "took a part" in Counts(recorded("big")[0]).text(80)


def test_numbers_of_a_long_trace_stand_between_the_turn_and_the_kernels_box() -> None:
    trace = traced("get")[0]
    for event in trace:
        event.turn += 900 * bool(event.turn)
    lanes = Lanes(trace)
    lanes.rows = [
        dataclasses.replace(row, event=dataclasses.replace(row.event, seq=row.event.seq + 90_000))
        for row in lanes.rows
    ]
    texts = re.findall(r'<text x="([\d.]+)" y="[\d.]+" fill="[^"]+" ([^>]*)>([^<]*)<', lanes.svg())
    small = {text: float(x) for x, more, text in texts if 'font-size="10.5"' in more}
    turns = [small[text] + 6.4 * len(text) for text in small if text.startswith("turn 9")]
    numbers = [at for text, at in small.items() if text.isdecimal()]
    assert turns and numbers
    assert max(turns) <= min(numbers) - 6.4 * 5
    assert max(numbers) < lanes_svg.LEFT - (len("send 131,072 B") * lanes_svg.CHAR / 2 + 7)


def test_what_lacks_its_bracket_is_not_said_to_be_called_by_the_loop() -> None:
    trace = recorded("get")[0]
    handler = next(event for event in trace if event.name.endswith("_handle_events"))
    lost = Trace(event for event in trace if event.seq > handler.seq)
    recv = next(row for row in Lanes(lost).rows if row.event.name == "recv")
    assert recv.event.parent is not None and recv.caller is None
    dispatch = next(event for event in trace if event.step == "dispatch")
    lost = Trace(event for event in trace if event.seq > dispatch.seq)
    app = next(row for row in Lanes(lost).rows if row.event.step == "app")
    assert app.event.parent == dispatch.seq and app.caller is None
