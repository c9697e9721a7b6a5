"""What must hold of the built site: it asks nothing of other hosts, links lead somewhere, pictures have words."""

from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
    "object": "data",
}
NOT_FETCHED = {
    "canonical",
    "next",
    "prev",
    "search",
    "index",
    "author",
}  # links that a browser follows only when told to


class Html(HTMLParser):
    "The anchors of one page, its links, what it fetches, and its pictures without words."

    def __init__(self, path: Path):
        super().__init__()
        self.anchors, self.links, self.fetches, self.wordless = {""}, [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.anchors |= {told[name] for name in ("id", "name") if told.get(name)}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        if (url := told.get(FETCHING.get(tag))) and not (tag == "link" and told.get("rel") in NOT_FETCHED):
            self.fetches.append(url)
        if tag == "img" and not told.get("alt", "").strip():
            self.wordless.append(told.get("src", "")[:80])
        if told.get("role") == "img" and not told.get("aria-label", "").strip():
            self.wordless.append(f"<{tag} class={told.get('class')!r}>")


class Built:
    "The folder of a built site."

    def __init__(self, html: Path):
        self.html = html.resolve()

    @cached_property
    def pages(self) -> dict[Path, Html]:
        "All but the templates that the theme leaves among its own files."
        return {path: Html(path) for path in sorted(self.html.rglob("*.html")) if "_static" not in path.parts}

    def leads_nowhere(self, page: Path, url: str) -> bool:
        "Whether a link within the site has no target."
        parts = urlsplit(url)
        if parts.scheme or parts.netloc:
            return False
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if target.is_dir():
            target = target / "index.html"
        if not target.is_file() or not target.is_relative_to(self.html):
            return True
        return target in self.pages and unquote(parts.fragment) not in self.pages[target].anchors

    def faults(self) -> list[str]:
        found = []
        for path, page in self.pages.items():
            name = path.relative_to(self.html)
            found += [f"{name} would fetch {url}" for url in page.fetches if urlsplit(url).netloc]
            found += [
                f"{name} links to {url}, which is not there"
                for url in page.links + page.fetches
                if self.leads_nowhere(path, url)
            ]
            found += [f"{name} shows {what} without words" for what in page.wordless]
        return list(dict.fromkeys(found))
