"""The entries of a Green Button feed and how their links join them: one look at each link, however many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from billing.greenbutton.filed import BadFile
from billing.greenbutton.vocabulary import ATOM, ESPI

NS: Final = {"a": ATOM, "e": ESPI}
MAX_ENTRIES: Final = 100_000
MAX_HREF: Final = 500
MAX_LEVELS: Final = 30
"""Of an address: User/1/UsagePoint/1/MeterReading/1/IntervalBlock/1 has eight."""
_RESOURCES: Final = ("UsagePoint", "MeterReading", "ReadingType", "IntervalBlock")


@dataclass(eq=False)
class Entry:
    """One resource of the feed, and how it is linked to the others."""

    resource: etree._Element
    content: etree._Element
    title: str
    self_href: str = ""
    up: str = ""
    related: list[str] = field(default_factory=list)


@dataclass
class Feed:
    """The entries by what they hold."""

    points: list[Entry]
    meters: list[Entry]
    types: list[Entry]
    blocks: list[Entry]


def read(root: etree._Element) -> Feed:
    """Raises BadFile where there is no entry, or too many."""
    found: dict[str, list[Entry]] = {name: [] for name in _RESOURCES}
    count = 0
    for element in root.iter(f"{{{ATOM}}}entry"):
        count += 1
        if count > MAX_ENTRIES:
            raise BadFile(f"more than {MAX_ENTRIES} entries", "send a shorter period at a time", line_of(element))
        entry = _entry(element)
        if entry is not None:
            found[etree.QName(entry.resource).localname].append(entry)
    if not count:
        raise BadFile("it is not a Green Button file: no Atom entries", "export usage as Green Button XML")
    return Feed(*(found[name] for name in _RESOURCES))


def _entry(element: etree._Element) -> Entry | None:
    """None where it holds nothing that matters here."""
    content = element.find("a:content", NS)
    holder = element if content is None else content
    resource = next((child for child in holder if child.tag in _TAGS), None)
    if resource is None:
        return None
    found = Entry(resource, holder, element.findtext("a:title", "", NS).strip()[:200])
    for link in element.iterfind("a:link", NS):
        href, rel = link.get("href", "").strip().rstrip("/"), link.get("rel", "")
        if len(href) > MAX_HREF or href.count("/") > MAX_LEVELS:
            raise BadFile(f"a link of {len(href)} characters", "download it again", line_of(link), "link")
        if rel == "self":
            found.self_href = href
        elif rel == "up":
            found.up = href
        elif rel == "related":
            found.related.append(href)
    return found


_TAGS: Final = frozenset(f"{{{ESPI}}}{name}" for name in _RESOURCES)


class Parents:
    """Finds the parent of an entry among others by the links upward and downward.

    Either may be to the resource or to the list that it is in. Of two parents that claim one child neither is certain.
    """

    def __init__(self, parents: Iterable[Entry]) -> None:
        self._by_self: dict[str, Entry] = {}
        self._by_related: dict[str, Entry] = {}
        self._contested: set[str] = set()
        for parent in parents:
            if parent.self_href:
                self._by_self.setdefault(parent.self_href, parent)
            for href in parent.related:
                if href and self._by_related.setdefault(href, parent) is not parent:
                    self._contested.add(href)

    def of(self, child: Entry) -> Entry | None:
        """Raises BadFile where two parents claim the child."""
        up = child.up
        while up:
            if up in self._by_self:
                return self._by_self[up]
            up = up.rpartition("/")[0]
        for href in (child.self_href, child.up):
            if href and href in self._contested:
                raise BadFile("two entries claim it", "download it again", line_of(child.content), "link")
            if href and href in self._by_related:
                return self._by_related[href]
        return None


def children_of(parents: list[Entry], children: Iterable[Entry]) -> tuple[dict[Entry, list[Entry]], list[Entry]]:
    """The children of each parent, and those of none. An only parent has all that link to nobody."""
    index = Parents(parents)
    found: dict[Entry, list[Entry]] = {parent: [] for parent in parents}
    lost = []
    for child in children:
        parent = index.of(child) or (parents[0] if len(parents) == 1 else None)
        if parent is None:
            lost.append(child)
        else:
            found[parent].append(child)
    return found, lost


def line_of(element: etree._Element) -> int:
    line = element.sourceline
    return line if isinstance(line, int) else 0
