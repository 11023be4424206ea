"""Where sums are kept: seldom on the disk, and never lost by the end of the process."""

import shutil
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.history.sums_file import EACH_S, SumsFile
from wallbox2mqtt.storage import Storage


class Places:
    """A disk and a runtime directory, and the file of a process that may be another one."""

    def __init__(self, directory: Path, clock: FakeClock) -> None:
        self.state, self.runtime, self.clock = directory / "state", directory / "run", clock
        self.runtime.mkdir()

    def file(self, *, runtime: bool = True) -> SumsFile:
        """The file as a new process has it."""
        file = SumsFile(Storage(self.state, "x", self.runtime if runtime else None), self.clock)
        file.read()
        return file

    def on_disk(self) -> Json:
        return Storage(self.state, "x").read("sessions").get("sum")

    def kept(self) -> Json:
        """What the next process would go on from."""
        return SumsFile(Storage(self.state, "x", self.runtime), self.clock).read().get("sum")


@pytest.fixture
def places(tmp_path: Path, clock: FakeClock) -> Places:
    return Places(tmp_path, clock)


def test_a_counter_is_kept_in_memory_and_hourly_on_disk(places: Places) -> None:
    file, written = places.file(), set()
    for minute in range(180):
        file.write({"sum": minute}, grew=True, happened=False)
        assert places.kept() == minute
        written.add(places.on_disk())
        places.clock.advance(60)
    assert len(written) == 180 * 60 / EACH_S


def test_what_happened_is_on_the_disk_at_once(places: Places) -> None:
    file = places.file()
    file.write({"sum": 1}, grew=True, happened=False)
    file.write({"sum": 2}, grew=True, happened=True)
    assert places.on_disk() == 2


def test_after_a_power_cut_the_disk_counts(places: Places) -> None:
    file = places.file()
    for number in range(5):
        file.write({"sum": number}, grew=True, happened=False)
    shutil.rmtree(places.runtime)
    assert places.kept() == 0
    places.file().write({"sum": 9}, grew=True, happened=False)
    assert places.kept() == 9


def test_an_end_in_order_leaves_all_on_the_disk(places: Places) -> None:
    file = places.file()
    for number in range(5):
        file.write({"sum": number}, grew=True, happened=False)
    file.close({"sum": 4})
    assert (places.on_disk(), list(places.runtime.iterdir())) == (4, [])
    places.file().close({"sum": 0})
    assert places.kept() == 4


@pytest.mark.parametrize(("grew", "on_disk"), [(True, 4), (False, 0)])
def test_without_a_runtime_directory_growth_is_on_the_disk(places: Places, *, grew: bool, on_disk: int) -> None:
    file = places.file(runtime=False)
    for number in range(5):
        file.write({"sum": number}, grew=grew, happened=False)
    assert places.on_disk() == on_disk
    file.close({"sum": 4})
    assert places.on_disk() == 4


def test_a_runtime_directory_that_takes_nothing_is_none(places: Places) -> None:
    places.runtime.rmdir()
    places.runtime.write_text("no directory", encoding="utf-8")
    file = places.file()
    for number in range(3):
        file.write({"sum": number}, grew=True, happened=False)
    assert places.on_disk() == 2
