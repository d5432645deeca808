"""The reliability diagram in characters and as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from anomalyd import codec
from anomalyd.risk import drawing, telling
from anomalyd.risk.calibration import Enough
from anomalyd.risk.reliability import Bin, Curve, Reliability, reliability
from tests.risk.outcomes import overstated

ONE = Bin(20.0, 40.0, 10, 3, 30.0, 30.0, 10.0, 60.0)
CURVE = Curve((ONE, Bin(80.0, 100.0, 10, 0, 90.0, 0.0, 0.0, 27.75)), 0.2, -0.1)


def test_nothing_is_drawn_until_there_is_enough():
    found = reliability(overstated(4), Enough())
    assert telling.terminal(found) == ("release risk is uncalibrated: 4 of 30 outcomes recorded")


def test_the_diagram_in_characters_has_what_was_said_over_its_interval():
    found = Reliability(20, 3, 10, 2, True, CURVE, CURVE)
    lines = telling.terminal(found).splitlines()
    assert lines[0] == "release risk is calibrated by 20 outcomes, 3 of them incidents"
    assert lines[2] == "as it is: Brier score 0.200, -10% against one constant chance"
    (first, second) = (line for line in lines[4:6])
    assert first == " 20 -  40      --------x------------                  3 of 10"
    assert second == " 80 - 100  x-----------                        o      0 of 10"
    assert lines[-1].startswith("o said, x had an incident")


def test_json_has_every_field_and_reads_back():
    found = reliability(overstated(60), Enough())
    plain = telling.as_json(found)
    assert plain["standing"].startswith("calibrated by 60 outcomes")
    assert codec.from_dict(Reliability, plain) == found


def test_the_drawing_is_svg_with_a_mark_and_an_interval_for_each_bin():
    text = drawing.document(drawing.diagram(CURVE, "As it is"))
    root = ET.fromstring(text)  # noqa: S314
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert "30 said, 30 seen of 10" in root.get("aria-label")
    circles = root.findall(f"{space}circle")
    assert len(circles) == 2
    assert circles[0].find(f"{space}title").text == "30 said, 3 of 10 had an incident"
    lines = root.findall(f"{space}line")
    intervals = [line for line in lines if line.get("stroke-width") == "2"]
    assert [line.get("x1") for line in intervals] == [circle.get("cx") for circle in circles]
    assert (
        float(intervals[0].get("y1")) > float(circles[0].get("cy")) > float(intervals[0].get("y2"))
    )
