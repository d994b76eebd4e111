from .api import AsyncConversations as AsyncConversations, Conversations as Conversations
from .dataset import Dataset as Dataset, open_dataset as open_dataset
from .diagnostics.diagnosis import Diagnosis as Diagnosis
from .diagnostics.entry import doctor as doctor
from .exporter import (
    Exported as Exported,
    Frames as Frames,
    Ingested as Ingested,
    Job as Job,
    aexport as aexport,
    export as export,
    ingest as ingest,
    read_events as read_events,
)
from .exporter.coverage import Coverage as Coverage, coverage as coverage
from .notebook import (
    Filters as Filters,
    explore as explore,
    export_panel as export_panel,
    plot_concurrency as plot_concurrency,
    plot_funnel as plot_funnel,
    plot_heatmap as plot_heatmap,
    plot_loss_jitter as plot_loss_jitter,
    plot_mos as plot_mos,
    plot_outcomes as plot_outcomes,
    quality_report as quality_report,
    show_ladder as show_ladder,
    show_ledger as show_ledger,
    show_timeline as show_timeline,
    show_verdicts as show_verdicts,
)
from .tables.dictionary import describe as describe
from .tables.excel import for_excel as for_excel
from .tables.report_files import read_reports as read_reports

__version__: str
