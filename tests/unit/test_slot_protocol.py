"""Messages between a slot and its supervisor."""

from __future__ import annotations

from hypothesis import given, strategies as st

from workers.pool.protocol import Done, Ended, Event, Failure, LineReader, encode_events

EVENTS = st.lists(
    st.one_of(
        st.builds(Ended, st.integers(0, 500), st.floats(0, 1e6), st.text()),
        st.builds(Ended, st.integers(0, 500), st.just(1.0), st.builds(Failure, st.text(), st.text())),
        st.just(Done()),
    )
)


@given(EVENTS, st.integers(1, 7))
def test_events_survive_any_division_of_the_stream(events: list[Event], piece: int) -> None:
    stream = encode_events(events)
    reader = LineReader()
    read = [each for at in range(0, len(stream), piece) for each in reader.feed(stream[at : at + piece])]
    assert read == events


@given(st.integers(1, 20))
def test_an_unfinished_line_of_a_killed_writer_is_no_event(cut: int) -> None:
    first, second = Ended(0, 1.0, "null"), Ended(1, 2.0, '"some result that is long enough"')
    assert LineReader().feed(encode_events([first, second])[:-cut]) == [first]
