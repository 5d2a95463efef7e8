"""Makes the README's picture: one real run of the demo, as the terminal shows it at the end.

    python -m docs.picture

It runs `waymark demo` beside whatever else is up, and stops what it started.
"""

import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from waymark.demo.stage import stage_in
from waymark.demo.tour import Tour

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS = 122


def main() -> int:
    """Run the demo and write what it drew."""
    with tempfile.TemporaryDirectory() as home, Path("/dev/null").open("w") as nowhere:
        stage = stage_in(Path(home))
        console = Console(file=nowhere, width=COLUMNS, force_terminal=True, color_system="truecolor")
        tour = Tour(stage, console, as_json=True)
        try:
            tour.run()
            drawn = Console(file=nowhere, width=COLUMNS, force_terminal=True, color_system="truecolor", record=True)
            drawn.print(tour.drawn)
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_text(_by_itself(drawn.export_svg(title="make demo", font_aspect_ratio=0.6)), "utf-8")
        finally:
            stage.down()
    return 0


def _by_itself(svg: str) -> str:
    """The picture without fonts from elsewhere: it is shown in whatever font of one width is there."""
    return re.sub(r"@font-face {.*?}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
