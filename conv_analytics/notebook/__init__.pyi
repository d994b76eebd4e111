from .explorer import (
    Explorer as Explorer,
    ExportPanel as ExportPanel,
    Filters as Filters,
    explore as explore,
    export_panel as export_panel,
)
from .ladder import Ladder as Ladder, show_ladder as show_ladder
from .overview import Overview as Overview, show_ledger as show_ledger, show_verdicts as show_verdicts
from .plots import (
    plot_concurrency as plot_concurrency,
    plot_funnel as plot_funnel,
    plot_heatmap as plot_heatmap,
    plot_loss_jitter as plot_loss_jitter,
    plot_mos as plot_mos,
    plot_outcomes as plot_outcomes,
)
from .report import Report as Report, quality_report as quality_report
from .timeline.timeline import Timeline as Timeline, show_timeline as show_timeline
