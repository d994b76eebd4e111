"""How long a test waits for what ought to happen at once: on a machine that others keep busy, that takes its time."""

#: Longest wait; a test that waits so long has failed, and no test measures by it. [s]
PATIENCE_S = 300
