"""Q12 as quanke means it, counted by SQL that shares nothing with quanke.

The peers' Q12 and `did A then not B within 20 minutes` differ at two boundaries:

| boundary | peers | quanke, decided and closed |
|---|---|---|
| a share at the view's own millisecond | does not count | counts: no absence |
| less than 20 minutes of data left after the view | an absence | undecided: not counted |

So each is compared with its own number. This one goes by the name `Q12 decided` (common.question).
"""
import duckdb

from common import D30, END


def decided(raw):
    """Question -> count, from the raw files of a world (a folder of days, as gen.py writes it)."""
    con = duckdb.connect()
    con.execute("SET threads = 2")
    events = f"read_parquet('{raw}/events/*/part-0.parquet', hive_partitioning = true)"
    of = f"SELECT user_id, ts FROM {events} WHERE date >= DATE '{D30}' AND event ="
    sql = f"""WITH v AS ({of} 'miniprogram_view'), s AS ({of} 'miniprogram_share')
        SELECT count(DISTINCT user_id) FROM v
        WHERE ts >= TIMESTAMP '{D30}' AND ts + INTERVAL 20 MINUTE <= TIMESTAMP '{END}'
        AND NOT EXISTS (SELECT 1 FROM s WHERE s.user_id = v.user_id
            AND s.ts BETWEEN v.ts AND v.ts + INTERVAL 20 MINUTE)"""
    return {"Q12 decided": con.execute(sql).fetchone()[0]}
