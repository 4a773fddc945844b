"""What can be taken out of the charts of a run: values to paste, and files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.jobs import tell
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.panes.readings import tell_cursor
from tui_trainer.dashboard.screens.steering import ONLY_WATCHES, SteeringScreen
from tui_trainer.dashboard.screens.viewport import ViewportScreen
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.errors import TuitrainError

_PROMPT = "write-prompt"
_NAME_LIMIT = 24


class ChartOutputScreen(SteeringScreen, ViewportScreen):
    """A screen of a run's charts, one of which may be chosen."""

    @property
    def chosen_chart(self) -> str:
        """The chart that was chosen, or the first; empty where there is none."""
        raise NotImplementedError

    def chart_contents(self) -> dict[str, ChartContent]:
        """What the charts in sight show, by their names."""
        raise NotImplementedError

    def action_copy(self) -> None:
        """Copy what the charts say at the cursor, or the run's folder."""
        text = sanitize(self.record.path)
        if self._options.cursor is not None:
            contents = self.chart_contents().values()
            text = tell_cursor(self._run_name, self.steps, self._options, contents)
        self.app.copy_to_clipboard(text)
        self.say(f"copied: {text}", "good")

    async def action_write(self) -> None:
        """Ask what kind of file to write the chosen chart to."""
        if self._dashboard.read_only:
            self.say(ONLY_WATCHES)
        elif self.chosen_chart and not self.query(Prompt):
            hint = "svg, png or csv, into the folder that the dashboard was started in"
            label = f"write the chart of {sanitize(self.chosen_chart, limit=_NAME_LIMIT)} as"
            await self.mount(Prompt(label, "svg", hint, select=True, id=_PROMPT))

    async def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Write the chart; every other prompt is about something else."""
        if event.prompt.id != _PROMPT:
            return
        # Imported where a chart is written, which few do: the first frame waits for every import.
        from tui_trainer.core.picture import ChartTitle
        from tui_trainer.dashboard.saving import FILE_KINDS, save_chart

        chosen = event.value.strip().lower().removeprefix(".")
        kind = next((kind for kind in FILE_KINDS if kind == chosen), None)
        if kind is None:
            event.prompt.complain("svg, png or csv")
            return
        event.prompt.close()
        name = self.chosen_chart
        spec = self.chart_contents()[name].spec
        title = ChartTitle(self._run_name, name, self.options.words[0])
        try:
            file = await asyncio.to_thread(
                save_chart, spec, title, kind, Path.cwd(), table=self.steps
            )
        except TuitrainError as error:
            self.say(tell(error), "error")
            return
        self.say(f"wrote {sanitize(file.name)}", "good")

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Nothing is written."""
        if event.prompt.id == _PROMPT:
            event.prompt.close()
