"""The page keeps what was not measured."""

from bench.run import TITLES, replaced


def test_a_section_is_written_anew_and_the_others_stay():
    first, last = TITLES["everyday"], TITLES["contract"]
    page = replaced(replaced("", last, "old\n\n### Other sizes\n\nkept with it"), first, "one")

    assert page.index(f"## {first}\n\none\n") < page.index(f"## {last}\n\nold\n\n### Other sizes")

    again = replaced(page, last, "new")

    assert f"## {first}\n\none\n" in again
    assert again.endswith(f"## {last}\n\nnew\n")
    assert "old" not in again
    assert replaced(again, last, "new") == again
