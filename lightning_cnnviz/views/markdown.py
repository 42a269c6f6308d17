"""Tables in Markdown, as notes have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()) -> str:
    r"""A table whose cells may hold any text, such as the name of a class.

    Args:
        headings: of the columns.
        rows: a cell for each column.
        numbers: the headings of the columns that are set flush right.

    >>> print(markdown_table(["class", "share"], [["a|b", 0.5]], numbers=["share"]))
    | class | share |
    |---|---:|
    | a\|b | 0.5 |
    """
    rules = "|".join("---:" if heading in numbers else "---" for heading in headings)
    return "\n".join([_line(headings), f"|{rules}|", *map(_line, rows)])


def _line(cells: Sequence[object]) -> str:
    escaped = (str(cell).replace("|", r"\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
