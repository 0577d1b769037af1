"""Late rows are a stream: count them by how much longer the watermark would have had to wait."""

from __future__ import annotations

import penstock as ps
from penstock import col

seconds = [0, 3, 11, 14, 9, 22, 8, 25, 41, 19]
rows = [{"sensor": "a", "s": second, "value": float(second)} for second in seconds]

stream = ps.read(rows, event_time=ps.from_epoch("s", "s"), watermark="2 s", name="sensors")
means = stream.group_by("sensor").window(ps.tumbling("10 s")).agg(mean=col("value").mean(), rows=ps.count())
late = means.late().select("sensor", "s", needed=col("_why").struct.field("needed"))

if __name__ == "__main__":
    means.show()
    late.show()
