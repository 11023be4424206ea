"""What MkDocs does not do by itself: the README as the first page, a list of the decisions, links out of docs/."""

import re
from pathlib import Path
from posixpath import dirname, normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)#\s]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that stand nowhere."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=_LINK.sub(_from_root, readme)))
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    titles = [path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for path in decisions]
    lines = [f"- [{title}]({path.name})" for path, title in zip(decisions, titles, strict=True)]
    files.append(File.generated(config, "adr/index.md", content="\n".join(["# Decisions", "", *lines, ""])))
    return files


def _from_root(match: re.Match[str]) -> str:
    """Return a link of the README as one of a page in docs/."""
    target = match[2]
    if target == "docs/adr":
        return f"{match[1]}adr/index.md"
    return match[1] + (target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}")


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave docs/ go to the repository; what they name has to be there."""
    del files

    def outward(match: re.Match[str]) -> str:
        target = normpath(f"docs/{dirname(page.file.src_uri)}/{match[2]}")
        if target.startswith("docs/"):
            return match[0]
        path = ROOT / target
        if not path.exists():
            msg = f"{page.file.src_uri}: there is no {target}"
            raise PluginError(msg)
        return f"{match[1]}{config.repo_url}/{'tree' if path.is_dir() else 'blob'}/main/{target}"

    return _LINK.sub(outward, markdown)
